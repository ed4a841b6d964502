"""The one entry: ``train_job`` takes a spec and leaves an adapter, checkpoints, events and a result file in ``output_dir``.

    python -m cluster.tuning.training.job SPEC.json

is the same in a process of its own. Running a job again that has finished does nothing; running one that was killed, paused or has
failed goes on from its last checkpoint.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from cluster.tuning.training import results
from cluster.tuning.training.errors import ExtraMissing, TrainingError
from cluster.tuning.training.events import Event, EventLog
from cluster.tuning.training.spec import TrainSpec

_log = logging.getLogger(__name__)

#: What the extra ``tuning`` brings.
_PACKAGES = ("torch", "transformers", "trl", "peft", "datasets")
_FAILED = 1


def missing_packages() -> list[str]:
    """Packages of the extra that this environment hasn't."""
    return [name for name in _PACKAGES if importlib.util.find_spec(name) is None]


def train_job(spec: TrainSpec, on_event: Callable[[Event], None] | None = None, *, rank: int = 0) -> Event | None:
    """Train in this process; return the run's last event: ``finished``, ``stopped`` or ``failed``.

    ``on_event`` is called with each event that is new, after it is in the file. Workers of other ranks than 0 train along, write
    nothing and return ``None``.

    Raises:
        RunIsActive: another process trains this job.
        Exception: of a worker of another rank, whatever ended it; rank 0 tells it by ``failed``.
    """
    if rank:
        _train(spec, lambda kind, **fields: None, lambda: None, is_main=False)
        return None
    with EventLog(spec.output_dir) as log:
        if log.last is not None and log.last.kind == "finished":
            return log.last

        def say(kind: str, **fields: object) -> None:
            event = log.write(kind, **fields)
            if event is not None and on_event is not None:
                on_event(event)

        try:
            _train(spec, say, log.sync, is_main=True)
        except TrainingError as error:
            say("failed", code=error.code, message=str(error), may_retry=error.may_retry)
        except Exception as error:  # noqa: BLE001 (whatever it is, the job's owner waits for an end)
            _log.exception("Training %s has failed", spec.job_id)
            out_of_memory = type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError)
            code = "out_of_memory" if out_of_memory else "internal_error"
            message = "there was not enough memory" if out_of_memory else f"training ended by a {type(error).__name__}"
            say("failed", code=code, message=message, may_retry=not out_of_memory)
        results.write(spec.output_dir)
        return log.last


def _train(spec: TrainSpec, say: Callable[..., object], sync: Callable[[], None], *, is_main: bool) -> None:
    missing = missing_packages()
    if missing:
        raise ExtraMissing(f"{', '.join(missing)} not installed: scripts/setup.sh --tuning")
    # Before PyTorch is loaded, which reads them once. Nothing is ever fetched: models and data are folders.
    os.environ.setdefault("OMP_NUM_THREADS", str(spec.cpu_threads))
    os.environ.update({"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"})
    from cluster.tuning.training.loop.training import train

    train(spec, say, sync, is_main=is_main)


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m cluster.tuning.training.job SPEC.json\n")
        return 2
    logging.basicConfig(level=logging.WARNING)
    last = train_job(TrainSpec.load(Path(arguments[0])))
    return _FAILED if last is None or last.kind == "failed" else 0


if __name__ == "__main__":
    sys.exit(main())

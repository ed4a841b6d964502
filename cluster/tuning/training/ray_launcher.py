"""Runs on a Ray cluster, by Ray Train: as many workers as the spec asks for, each with the recipe's GPUs.

``output_dir`` must be a folder that all nodes share: the events, the checkpoints and the adapter are in it. A group whose worker
dies is started again by Ray Train and goes on from the last checkpoint. The run belongs to a detached actor, not to whoever has
started it, so that a restarted driver finds it; after the loss of the whole cluster, starting it again resumes it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.tuning.recipes import catalog
from cluster.tuning.recipes.recipe import Recipe
from cluster.tuning.training.errors import RunIsActive, UnsupportedModel
from cluster.tuning.training.events import ENDS, EventLog
from cluster.tuning.training.spec import Device, TrainSpec

_log = logging.getLogger(__name__)

#: How often a group is started again after a worker has died.
MAX_FAILURES = 3
_NAMESPACE = "ossature-tuning"
#: What a worker needs to import what the driver imports.
_PASSED_ON = ("PYTHONPATH",)
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class RayRun:
    """A run by its actor's name."""

    output_dir: Path
    name: str

    def is_running(self) -> bool:
        return _actor(self.name) is not None

    def kill(self) -> None:
        """End the actor, and with it Ray Train's controller and workers."""
        import ray

        actor = _actor(self.name)
        if actor is not None:
            ray.kill(actor)

    def wait(self, timeout_s: float) -> bool:
        """Whether it has ended before ``timeout_s`` are over."""
        deadline_s = time.monotonic() + timeout_s
        while self.is_running():
            if time.monotonic() > deadline_s:
                return False
            time.sleep(_POLL_S)
        return True


class RayLauncher:
    """Starts runs on the cluster that this process is connected to (``ray.init`` has been called)."""

    def __init__(
        self, *, cpus_per_worker: float = 1.0, max_failures: int = MAX_FAILURES, custom: Mapping[str, float] | None = None
    ) -> None:
        """``custom``: Ray resources that the run and each of its workers reserve besides, which only nodes for training offer."""
        self._cpus_per_worker = cpus_per_worker
        self._max_failures = max_failures
        self._custom = dict(custom or {})

    def start(self, spec: TrainSpec) -> RayRun:
        """Start a run, or find it running.

        Raises:
            UnsupportedModel: there is no recipe, or its model can't be trained so.
            ValueError: an actor of that name exists and is being ended.
        """
        import ray

        recipe = catalog.recipe_of(spec.base_model, spec.recipe)
        run = RayRun(spec.output_dir, f"train-{spec.job_id}")
        if _actor(run.name) is not None:
            return run
        reserved = self.reserved(spec, recipe)
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment |= {"OMP_NUM_THREADS": str(spec.cpu_threads), "RAY_TRAIN_V2_ENABLED": "1"}
        conductor = (
            ray.remote(_Conductor)
            .options(
                name=run.name,
                namespace=_NAMESPACE,
                lifetime="detached",
                num_cpus=0,
                # Where the workers may be, and so where ``output_dir`` can be written; Ray Train's controller stays on its node.
                resources=self._custom,
                runtime_env={"env_vars": environment},
            )
            .remote()
        )
        conductor.conduct.remote(spec.model_dump_json(), reserved, self._max_failures)
        return run

    def reserved(self, spec: TrainSpec, recipe: Recipe) -> dict[str, float]:
        """What Ray reserves for each worker. Raises as :func:`resources` does."""
        return resources(spec, recipe, self._cpus_per_worker) | self._custom


def resources(spec: TrainSpec, recipe: Recipe, cpus_per_worker: float) -> dict[str, float]:
    """What Ray reserves for each worker.

    Raises:
        UnsupportedModel: the model's weights can't all be trained in one worker.
    """
    if spec.device is Device.CPU:
        return {"CPU": cpus_per_worker}
    gpus = recipe.gpus_for(spec.adapter)
    if not gpus:
        raise UnsupportedModel(f"{recipe.name} is too large to train every weight of it: train an adapter")
    return {"CPU": cpus_per_worker, "GPU": float(gpus)}


class _Conductor:
    """The actor: blocks in Ray Train until the run has ended, then ends itself."""

    def conduct(self, spec_json: str, worker_resources: dict[str, float], max_failures: int) -> None:
        import ray

        spec = TrainSpec.model_validate_json(spec_json)
        try:
            _fit(spec, worker_resources, max_failures)
        except Exception:  # noqa: BLE001 (of whatever kind: the actor must end, and the run's owner be told)
            _log.exception("Training %s has failed", spec.job_id)
            _give_up(spec.output_dir)
        finally:
            ray.actor.exit_actor()


def _fit(spec: TrainSpec, worker_resources: dict[str, float], max_failures: int) -> None:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    from cluster.tuning.training.ray_loop import train_worker

    TorchTrainer(
        train_worker,
        train_loop_config={"spec": spec.model_dump_json()},
        scaling_config=ScalingConfig(
            num_workers=spec.workers, use_gpu=spec.device is Device.CUDA, resources_per_worker=worker_resources
        ),
        run_config=RunConfig(
            # Ray's own state of a run; a later try is another run to it, with the same output_dir to us.
            name=f"{spec.job_id}-{time.time_ns()}",
            storage_path=str(spec.output_dir / "ray"),
            failure_config=FailureConfig(max_failures=max_failures),
        ),
    ).fit()


def _give_up(output_dir: Path) -> None:
    """Say that the run has failed, if its workers died without saying so."""
    with contextlib.suppress(RunIsActive), EventLog(output_dir) as log:
        if log.last is None or log.last.kind not in ENDS:
            log.write("failed", code="workers_died", message="the run's workers have died too often", may_retry=True)


def _actor(name: str) -> Any:
    import ray

    try:
        return ray.get_actor(name, namespace=_NAMESPACE)
    except ValueError:
        return None

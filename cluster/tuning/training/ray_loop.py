"""What Ray Train runs on each of its workers. Imported there by name, so that nothing is pickled but the spec."""

from __future__ import annotations

from typing import Any


def train_worker(config: dict[str, Any]) -> None:
    """Train the spec in ``config["spec"]`` (JSON). A failure is raised here, for Ray to count it and start the group again.

    Raises:
        RuntimeError: training has failed in a way that another try may not repeat.
    """
    import ray.train

    from cluster.tuning.training.job import train_job
    from cluster.tuning.training.spec import TrainSpec

    context = ray.train.get_context()
    last = train_job(TrainSpec.model_validate_json(config["spec"]), rank=context.get_world_rank())
    if last is not None and last.kind == "failed" and last.fields["may_retry"]:
        raise RuntimeError(last.fields["message"])
    # Each worker must report, the last one ends the run.
    ray.train.report({"seq": last.seq if last is not None else 0})

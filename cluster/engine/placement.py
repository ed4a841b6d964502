"""What one engine replica reserves in Ray, and which of vLLM's executors fits it.

A replica that stays on one node (strategy ``STRICT_PACK``, the default) is one bundle: the replica's actor holds all its GPUs,
and vLLM's workers are child processes of it (``mp``, or ``uni`` for a single one). A replica that may span nodes is one bundle a
worker, and the workers are Ray actors (``ray``), each in its bundle; the replica's own actor shares the first bundle without a GPU.
Expert parallelism divides the same workers and changes nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass

from cluster.config.settings.models import ModelSettings

REPLICA_CPUS = 0.1
"""Logical CPUs of the replica's own actor where the workers are actors of their own."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Ray's view of one replica.

    ``bundles`` and ``strategy`` make the placement group (no bundle: nothing is reserved, no group is needed); ``num_cpus``,
    ``num_gpus`` and ``resources`` are what the replica's actor itself takes of the first bundle; ``executor`` is vLLM's
    ``distributed_executor_backend``.
    """

    bundles: list[dict[str, float]]
    strategy: str
    num_cpus: float
    num_gpus: float
    resources: dict[str, float]
    executor: str


def spans_nodes(model: ModelSettings) -> bool:
    """Whether the replica's workers may be on different nodes."""
    return model.placement.strategy != "STRICT_PACK" and model.world_size > 1


def executor_backend(model: ModelSettings) -> str:
    """vLLM's ``distributed_executor_backend``: ``ray`` over nodes, else ``mp``, or ``uni`` for one worker.

    Always named: left to itself vLLM takes ``ray`` whenever it finds itself in a placement group, and would then look there for one
    bundle a GPU.
    """
    configured = model.engine.get("distributed_executor_backend")
    if configured is not None:
        return str(configured)
    if spans_nodes(model):
        return "ray"
    return "mp" if model.world_size > 1 else "uni"


def place(model: ModelSettings) -> Placement:
    """The resources of one replica of ``model``."""
    settings = model.placement
    worker = {"CPU": settings.cpus_per_worker, "GPU": settings.gpus_per_worker, **settings.resources_per_worker}
    if executor_backend(model) == "ray":
        bundles = [_without_zeros(worker) for _ in range(model.world_size)]
        bundles[0]["CPU"] = bundles[0].get("CPU", 0.0) + REPLICA_CPUS
        return Placement(bundles, settings.strategy, REPLICA_CPUS, 0.0, {}, "ray")
    count = model.world_size
    bundle = _without_zeros({name: amount * count for name, amount in worker.items()})
    custom = {name: amount for name, amount in bundle.items() if name not in ("CPU", "GPU")}
    return Placement(
        [bundle] if bundle else [],
        settings.strategy,
        bundle.get("CPU", 0.0),
        bundle.get("GPU", 0.0),
        custom,
        executor_backend(model),
    )


def _without_zeros(resources: dict[str, float]) -> dict[str, float]:
    return {name: amount for name, amount in resources.items() if amount > 0}

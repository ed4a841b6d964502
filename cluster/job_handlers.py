"""What each kind of job is done by. The deployment ``jobs`` makes one handler of each, and runs only where there is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cluster.config.schema import ClusterConfig
from cluster.edges.inside import Inside
from cluster.evals.runs import run_service
from cluster.jobs.handler import JobHandler
from cluster.jobs.service import Jobs
from cluster.tuning.spec import KIND


@dataclass(frozen=True, slots=True)
class JobTools:
    """What handlers are made from.

    ``inside.inference`` asks models through admission, routing and accounting, in the name of the principal that it is given;
    ``inside.storage`` has files and stored completions; ``jobs`` creates further jobs.
    """

    config: ClusterConfig
    inside: Inside
    jobs: Jobs


HandlerFactory = Callable[[JobTools], JobHandler]


def _eval_runs(tools: JobTools) -> JobHandler:
    return tools.inside.storage.eval_run_handler(tools.inside.inference)


def fine_tuning(tools: JobTools) -> JobHandler:
    settings, registry = tools.config.tuning, tools.inside.storage.tuned
    assert registry is not None, "the configuration is refused when fine-tuning is enabled and no tuned model can be served"
    # Here, so that a cluster that trains nothing needs nothing that training and images need.
    from cluster.tuning.handler import FineTuningHandler
    from cluster.tuning.launched_trainer import LaunchedTrainer
    from cluster.tuning.parity_probe import ParityProbe
    from cluster.tuning.registry_publisher import RegistryPublisher
    from cluster.tuning.served_models import ServedModels
    from cluster.tuning.training.ray_launcher import RayLauncher
    from cluster.tuning.training.subprocess_launcher import SubprocessLauncher

    asked = settings.parity_probe
    probe = ParityProbe(tools.inside.inference, asked.wait_s) if asked.enabled else None
    launcher = RayLauncher(custom=settings.resources) if settings.launcher == "ray" else SubprocessLauncher()
    return FineTuningHandler(
        tools.inside.storage.files,
        ServedModels(tools.config.models, merging=tools.config.tuned_models.max_merged_models > 0),
        LaunchedTrainer(launcher, settings),
        RegistryPublisher(registry, probe),
        settings,
        settings.work_dir or tools.config.data_dir / "tuning",
    )


JOB_HANDLERS: Mapping[str, HandlerFactory] = {run_service.KIND: _eval_runs, KIND: fine_tuning}
"""By kind. A factory is pickled by name on its way to the deployment: a function or class of a module."""


def switched_on(config: ClusterConfig, handlers: Mapping[str, HandlerFactory] = JOB_HANDLERS) -> dict[str, HandlerFactory]:
    """Those whose jobs this cluster runs."""
    off = set() if config.tuning.enabled else {KIND}
    return {kind: factory for kind, factory in handlers.items() if kind not in off}

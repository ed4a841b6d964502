"""A worker of fine-tuning jobs with a Ray cluster of its own, to be killed: ``python -m … FOLDER WORKERS``.

It says ``ready`` on its standard output when it takes jobs.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from cluster.config.settings.jobs import JobsSettings
from cluster.config.settings.models import AdapterSettings, ModelSettings
from cluster.config.settings.tuning import TuningSettings
from cluster.jobs.worker import JobWorker
from cluster.tuning.handler import FineTuningHandler
from cluster.tuning.launched_trainer import LaunchedTrainer
from cluster.tuning.registry_publisher import RegistryPublisher
from cluster.tuning.served_models import ServedModels
from cluster.tuning.training.ray_launcher import RayLauncher
from tests.integration.routing.conftest import start_ray
from tests.unit.eval_runs.bench import NoMetrics
from tests.unit.storage.served import Served

LEASE_S = 10.0
CHECKPOINT_EVERY_STEPS = 5


def served(folder: Path, workers: int) -> Served:
    """The inside of a cluster that trains on ``workers`` processors. Its database is in ``folder``, migrated."""
    model = ModelSettings(id="tiny", source=str(folder / "base"), adapters=AdapterSettings(enabled=True))
    return Served(
        folder,
        models=[model],
        tuning=TuningSettings(enabled=True, device="cpu", workers=workers, checkpoint_every_steps=CHECKPOINT_EVERY_STEPS),
        working=JobsSettings(lease_s=LEASE_S, heartbeat_s=1.0, poll_interval_s=0.5, retry_delay_s=0.5, stop_grace_s=5.0),
        database_url=f"sqlite+aiosqlite:///{folder / 'cluster.db'}",
    )


async def _work(folder: Path, workers: int) -> None:
    async with served(folder, workers).inside() as inside:
        assert inside.storage.tuned is not None
        handler = FineTuningHandler(
            inside.storage.files,
            ServedModels(inside.models),
            LaunchedTrainer(RayLauncher(), inside.tuning),
            RegistryPublisher(inside.storage.tuned),
            inside.tuning,
            folder / "tuning",
        )
        JobWorker([handler], inside.database, inside.working, NoMetrics()).start()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    start_ray()
    asyncio.run(_work(Path(sys.argv[1]), int(sys.argv[2])))

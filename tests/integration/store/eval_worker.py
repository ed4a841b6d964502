"""A worker of evals in a process of its own, so that a test can kill it: ``python -m … DATABASE_URL FOLDER``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from cluster.config.settings.evals import EvalsSettings
from cluster.config.settings.jobs import JobsSettings
from cluster.jobs.worker import JobWorker
from tests.unit.eval_runs.bench import NoMetrics
from tests.unit.eval_runs.fake_models import FakeModels
from tests.unit.storage.served import Served

LEASE_S = 1.5


def served(database_url: str, folder: Path, pause_s: float) -> Served:
    """The inside of a gateway whose models take ``pause_s`` for an answer."""
    return Served(
        folder,
        relay=FakeModels(pause_s=pause_s),
        evals=EvalsSettings(item_concurrency=3),
        working=JobsSettings(lease_s=LEASE_S, heartbeat_s=0.2, poll_interval_s=0.1, retry_delay_s=0.1, stop_grace_s=1.0),
        database_url=database_url,
    )


def worker_of(inside: Served) -> JobWorker:
    return JobWorker([inside.storage.eval_run_handler(inside.inference)], inside.database, inside.working, NoMetrics())


async def _work(database_url: str, folder: Path) -> None:
    async with served(database_url, folder, pause_s=0.5).inside() as inside:
        worker_of(inside).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1], Path(sys.argv[2])))

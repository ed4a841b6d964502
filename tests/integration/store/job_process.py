"""A worker in a process of its own, to be killed: ``python -m tests.integration.store.job_process URL EFFECTS``.

Its job writes a line into the file EFFECTS for each step, which tells how often each was done.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cluster.config.settings.database import DatabaseSettings
from cluster.config.settings.jobs import JobsSettings
from cluster.jobs.context import JobContext
from cluster.jobs.service import Jobs
from cluster.jobs.worker import JobWorker
from cluster.store.database import Database
from tests.unit.jobs.bench import ACME, Counts

SETTINGS = JobsSettings(
    lease_s=1.0, heartbeat_s=0.2, poll_interval_s=0.1, watch_interval_s=0.1, max_attempts=100, retry_delay_s=0.1, stop_grace_s=1.0
)
STEPS = 40


class Steps:
    kind = "steps"

    def __init__(self, jobs: Jobs, effects: Path) -> None:
        self._jobs = jobs
        self._effects = effects

    async def run(self, context: JobContext) -> dict[str, Any]:
        for number in range(STEPS):
            await context.check()
            await context.step(f"step-{number}", lambda number=number: self._effect(number))  # type: ignore[misc]
            await context.transaction(f"write-{number}", self._write)
            await context.event(f"Done {number}.", key=f"done-{number}")
            await context.progress({"done": number + 1})
        return {"pid": os.getpid()}

    async def _effect(self, number: int) -> int:
        with self._effects.open("a") as file:
            file.write(f"{number}\n")
        await asyncio.sleep(0.02)
        return number

    async def _write(self, session: AsyncSession) -> str:
        return (await self._jobs.create_in(session, ACME, "written", {})).id


async def main(url: str, effects: Path) -> None:
    database = Database.open(url, DatabaseSettings(timeout_s=20.0))
    worker = JobWorker([Steps(Jobs(database, SETTINGS), effects)], database, SETTINGS, Counts())
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    worker.start()
    await ended.wait()
    await worker.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))

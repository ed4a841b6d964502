"""A pool of equal worker processes, and the work that is done on one of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Final

from cluster.errors import Overloaded
from cluster.speech.errors import SpeechFailed, SpeechUnavailable
from cluster.speech.workers.frames import Kind
from cluster.speech.workers.process import WorkerDied, WorkerProcess

logger = logging.getLogger("ossature.speech.workers")

#: How long a worker may take to answer a CANCEL before it is replaced: its longest step, many times over.
_CANCEL_TIMEOUT_S: Final = 5.0


class WorkerPool:
    """Each worker is lent to one task at a time, first come first served. A dead one is replaced when it is next needed."""

    def __init__(self, module: str, arguments: Sequence[str] = (), *, size: int, wait_s: float) -> None:
        """``wait_s``: longest wait for a free worker."""
        self._module = module
        self._arguments = arguments
        self._size = size
        self._wait_s = wait_s
        #: None: a place whose process is to be started.
        self._free: asyncio.Queue[WorkerProcess | None] = asyncio.Queue()
        self._all: set[WorkerProcess] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False

    @property
    def busy(self) -> int:
        """Workers that are lent."""
        return self._size - self._free.qsize()

    @property
    def pids(self) -> list[int]:
        return [worker.pid for worker in self._all]

    async def start(self) -> None:
        """Start all workers.

        Raises:
            SpeechUnavailable: they can't work here.
        """
        try:
            for _ in range(self._size):
                self._free.put_nowait(await self._make())
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End all workers, and what they do. Idempotent."""
        self._stopped = True
        await asyncio.gather(*(worker.stop() for worker in self._all))
        await asyncio.gather(*self._tasks)
        self._all.clear()

    async def check_health(self) -> None:
        """Raises:
        SpeechUnavailable: the pool was never started, or is stopped.
        """
        if self._stopped or self._free.qsize() + self.busy != self._size or not self._all:
            raise SpeechUnavailable(f"no worker of {self._module} runs")

    async def begin(self, payload: bytes) -> Job:
        """A free worker, with a BEGIN sent.

        Raises:
            Overloaded: none came free in time.
            SpeechUnavailable: a worker that had died can't be replaced.
            WorkerDied: it died on the way.
        """
        worker = await self._acquire()
        job = Job(self, worker)
        try:
            await job.send(Kind.BEGIN, payload)
        except BaseException:
            job.close()
            raise
        return job

    def release(self, worker: WorkerProcess, *, broken: bool) -> None:
        """Take a worker back. ``broken``: it is not to be used again."""
        if self._stopped:
            return
        if broken or not worker.alive:
            self._discard(worker)
            self._free.put_nowait(None)
        else:
            self._free.put_nowait(worker)

    def run(self, work: Coroutine[None, None, None]) -> None:
        """Let something end in its own time."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _acquire(self) -> WorkerProcess:
        try:
            async with asyncio.timeout(self._wait_s):
                worker = await self._free.get()
        except TimeoutError:
            raise Overloaded("all speech workers are busy", code="speech_overloaded") from None
        if worker is not None and worker.alive:
            return worker
        try:
            if worker is not None:
                self._discard(worker)
            return await self._make()
        except BaseException:
            self._free.put_nowait(None)
            raise

    def _discard(self, worker: WorkerProcess) -> None:
        logger.warning("speech worker %s (pid %d) broke; another takes its place", self._module, worker.pid)
        self._all.discard(worker)
        self.run(worker.stop())

    async def _make(self) -> WorkerProcess:
        worker = await WorkerProcess.start(self._module, self._arguments)
        self._all.add(worker)
        return worker


class Job:
    """What one task has a worker do. Messages are read as they come, and the worker goes back when it says END or FAILED, so that
    whoever is slow to take them doesn't hold it.
    """

    def __init__(self, pool: WorkerPool, worker: WorkerProcess) -> None:
        self._pool = pool
        self._worker = worker
        #: None: there will be no more.
        self._messages: asyncio.Queue[tuple[Kind, bytes] | None] = asyncio.Queue()
        self._closing = False
        self._clean = False
        self._reader = asyncio.ensure_future(self._read())

    async def send(self, kind: Kind, payload: bytes = b"") -> None:
        """Raises:
        WorkerDied: the process is gone.
        """
        await self._worker.send(kind, payload)

    async def receive(self) -> tuple[Kind, bytes]:
        """The next message of the worker.

        Raises:
            WorkerDied: the process is gone.
            SpeechFailed: it says that it can't.
        """
        message = await self._messages.get()
        if message is None:
            self._messages.put_nowait(None)
            raise WorkerDied("the speech worker ended, or its work was dropped")
        kind, payload = message
        if kind is Kind.FAILED:
            raise SpeechFailed(payload.decode(errors="replace"))
        return kind, payload

    def close(self) -> None:
        """Drop what is still being done; the worker goes back as soon as it has noticed. Idempotent, and never waits."""
        if not self._closing:
            self._closing = True
            self._messages.put_nowait(None)  # whoever still waits for one
            self._pool.run(self._close())

    async def _read(self) -> None:
        try:
            while True:
                kind, payload = await self._worker.receive()
                if kind is Kind.CANCELLED:
                    self._clean = True
                    return
                if not self._closing:
                    self._messages.put_nowait((kind, payload))
                if kind in (Kind.END, Kind.FAILED):
                    self.close()
        except (WorkerDied, ValueError):
            self._messages.put_nowait(None)

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(_CANCEL_TIMEOUT_S):
                await self._worker.send(Kind.CANCEL)
                await self._reader
        except (TimeoutError, WorkerDied):
            self._reader.cancel()
        finally:
            self._pool.release(self._worker, broken=not self._clean)

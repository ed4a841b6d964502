"""One worker process as its owner sees it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from cluster.speech.errors import SpeechFailed, SpeechUnavailable
from cluster.speech.workers.frames import HEADER, Kind, packed, unpack_header

_START_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 2.0
_ROOT: Final = Path(__file__).resolve().parents[3]


class WorkerDied(SpeechFailed):
    """The process ended under its work."""


class WorkerProcess:
    """A started process. One task at a time talks to it. It dies with its owner, whose pipes it reads."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._input = process.stdin
        self._output = process.stdout

    @classmethod
    async def start(cls, module: str, arguments: Sequence[str]) -> WorkerProcess:
        """Start ``python -m module`` and wait until it is ready.

        Raises:
            SpeechUnavailable: it can't work here; the message is its own.
        """
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )
        worker = cls(process)
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                kind, payload = await worker.receive()
        except (TimeoutError, WorkerDied) as error:
            await worker.stop()
            raise SpeechUnavailable(f"the worker {module} did not start") from error
        except asyncio.CancelledError:
            process.kill()
            raise
        if kind is not Kind.READY:
            await worker.stop()
            raise SpeechUnavailable(payload.decode(errors="replace"))
        return worker

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        return self._process.pid

    async def send(self, kind: Kind, payload: bytes = b"") -> None:
        """Raises:
        WorkerDied: the process is gone.
        """
        try:
            self._input.write(packed(kind, payload))
            await self._input.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise WorkerDied("the speech worker ended") from error

    async def receive(self) -> tuple[Kind, bytes]:
        """Raises:
        WorkerDied: the process is gone.
        """
        try:
            length, kind = unpack_header(await self._output.readexactly(HEADER.size))
            return kind, await self._output.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionResetError) as error:
            raise WorkerDied("the speech worker ended") from error

    async def stop(self) -> None:
        """End the process. Idempotent."""
        self._input.close()
        if self.alive:
            with suppress(TimeoutError):
                async with asyncio.timeout(_STOP_TIMEOUT_S):
                    await self._process.wait()
        if self.alive:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

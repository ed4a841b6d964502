"""One script, one item, one process: start it, feed it, read what it says within limits, and never leave it behind."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import shutil
import signal
from collections.abc import Mapping
from typing import Final, Self

import msgspec

from cluster.evals.sandbox import command, seccomp
from cluster.evals.sandbox.contract import DETAILS_CHARS, KINDS, SandboxFailed, SandboxLimits, SandboxUnavailable, ScriptFailed

_CHUNK_BYTES: Final = 16 << 10
_READY: Final = b"ready\n"
_SIGNAL_EXIT: Final = 128
"""bubblewrap ends with 128 + n when signal n ended the script."""


class _Answer(msgspec.Struct):
    score: float | None = None
    kind: str | None = None
    details: str = ""


class Sandbox:
    """Runs scripts, ``concurrency`` at a time. Made by :func:`cluster.evals.sandbox.probe.probed`, which checks that it holds."""

    def __init__(self, bubblewrap: str, limits: SandboxLimits, concurrency: int) -> None:
        self.limits = limits
        self._bubblewrap = bubblewrap
        self._filter = seccomp.program()
        self._slots = asyncio.Semaphore(concurrency)

    @classmethod
    def found(cls, limits: SandboxLimits, *, concurrency: int, bubblewrap: str = "bwrap") -> Self:
        """A sandbox that nobody has checked.

        Raises:
            SandboxUnavailable: bubblewrap is not installed, or there is no filter for this architecture.
        """
        path = shutil.which(bubblewrap)
        if path is None:
            raise SandboxUnavailable(f"'{bubblewrap}' is not installed (Debian: apt-get install bubblewrap)")
        return cls(path, limits, concurrency)

    async def run(self, source: str, sample: Mapping[str, object], item: Mapping[str, object]) -> float:
        """The score that ``grade(sample, item)`` returns; finite. Cancelling the task ends the script.

        Raises:
            ScriptFailed: it gave none.
            SandboxFailed: the sandbox did not start.
        """
        request = msgspec.json.encode({"source": source, "sample": sample, "item": item})
        if len(request) > self.limits.input_bytes:
            raise ScriptFailed("input", f"{len(request)} bytes, of {self.limits.input_bytes} at most")
        async with self._slots:
            return await self._run(request)

    async def _run(self, request: bytes) -> float:
        process = await self._start()
        budget = _Budget(self.limits.output_bytes)
        try:
            async with asyncio.timeout(self.limits.wall_s), asyncio.TaskGroup() as group:
                group.create_task(_feed(process, request))
                answer = group.create_task(_collect(process, process.stdout, budget))
                said = group.create_task(_collect(process, process.stderr, budget))
                code = await process.wait()
        except TimeoutError:
            raise ScriptFailed("timeout", f"{self.limits.wall_s:g} s") from None
        finally:
            await _end(process)
        if budget.exceeded:
            raise ScriptFailed("output", f"{self.limits.output_bytes} bytes")
        return self._score(answer.result(), said.result(), code)

    async def _start(self) -> asyncio.subprocess.Process:
        # bubblewrap reads the filter to its end, so each run needs a file of its own.
        descriptor = os.memfd_create("filter")
        try:
            os.write(descriptor, self._filter)
            os.lseek(descriptor, 0, os.SEEK_SET)
            return await asyncio.create_subprocess_exec(
                *command.arguments(self._bubblewrap, self.limits, descriptor),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(descriptor,),
                start_new_session=True,
                env={},
                cwd="/",
            )
        except OSError as error:
            raise SandboxFailed(f"bubblewrap can't be started: {error}") from error
        finally:
            os.close(descriptor)

    def _score(self, answer: bytes, said: bytes, code: int) -> float:
        if not answer.startswith(_READY):
            why = said.decode(errors="replace").strip()[-DETAILS_CHARS:]
            raise SandboxFailed(f"the sandbox did not start (exit status {code}): {why}")
        number = code - _SIGNAL_EXIT
        if number in (signal.SIGXCPU, signal.SIGKILL):
            raise ScriptFailed("cpu", f"{self.limits.cpu_s} s")
        try:
            outcome = msgspec.json.decode(answer.removeprefix(_READY), type=_Answer)
        except msgspec.MsgspecError:
            raise ScriptFailed("crash", f"exit status {code}") from None
        if outcome.kind is not None:
            raise ScriptFailed(outcome.kind if outcome.kind in KINDS else "crash", outcome.details)
        if outcome.score is None or not math.isfinite(outcome.score):
            raise ScriptFailed("score", "")
        return outcome.score


class _Budget:
    """Bytes that a process may still say."""

    def __init__(self, size_bytes: int) -> None:
        self._left_bytes = size_bytes

    def take(self, size_bytes: int) -> None:
        self._left_bytes -= size_bytes

    @property
    def exceeded(self) -> bool:
        return self._left_bytes < 0


async def _feed(process: asyncio.subprocess.Process, request: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(request)
        await process.stdin.drain()
        process.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        return  # It ended before it had read everything; its exit status says why.


async def _collect(process: asyncio.subprocess.Process, stream: asyncio.StreamReader | None, budget: _Budget) -> bytes:
    """All that it says; it is ended once that is too much."""
    assert stream is not None
    pieces = []
    while piece := await stream.read(_CHUNK_BYTES):
        budget.take(len(piece))
        if budget.exceeded:
            _kill(process)  # What is in the pipe is still read, and dropped: a pipe that is not read keeps wait() from returning.
        else:
            pieces.append(piece)
    return b"".join(pieces)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what still runs. The script dies with bubblewrap: it is in bubblewrap's process namespace."""
    _kill(process)
    await asyncio.shield(_ended(process))


async def _ended(process: asyncio.subprocess.Process) -> None:
    for stream in (process.stdout, process.stderr):
        while stream is not None and await stream.read(_CHUNK_BYTES):
            pass  # As above: nobody else reads it any more.
    await process.wait()


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()

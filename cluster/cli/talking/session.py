"""A session from its opening: set up, then spoken to from a file or from the microphone."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack
from typing import Any, TypeVar

from cluster.cli.output import CommandError, note
from cluster.cli.talking.playback import BYTES_PER_MS
from cluster.cli.talking.recording import Recording
from cluster.cli.talking.talk import Event, Talk, refusal
from cluster.cli.talking.wire import Wire

_PIECE_MS = 20
_PIECE_BYTES = _PIECE_MS * BYTES_PER_MS
_FAST_PIECE_BYTES = 5 * _PIECE_BYTES
_SILENCE = bytes(_PIECE_BYTES)
_TAIL_PIECES = 1500 // _PIECE_MS
"""Silence after a file: enough for speech that began at its very end to be noticed. What then is not settled gets more."""

_PATIENCE_S = 60.0
"""Longest wait for the next event while something is waited for."""

_ALL = 1 << 40

_T = TypeVar("_T")


def settings(instructions: str | None, voice: str | None, turn_detection: str) -> Event:
    """The ``session.update`` that a conversation begins with."""
    detection: Event | None = None if turn_detection == "none" else {"type": turn_detection}
    hearing: Event = {"format": {"type": "audio/pcm"}, "transcription": {"model": "whisper-1"}, "turn_detection": detection}
    speaking: Event = {"format": {"type": "audio/pcm"}, **({"voice": voice} if voice is not None else {})}
    told = {"instructions": instructions} if instructions is not None else {}
    session = {"type": "realtime", "output_modalities": ["audio"], "audio": {"input": hearing, "output": speaking}, **told}
    return {"type": "session.update", "session": session}


class TalkSession:
    """``by_hand``: turns end when the user says so, not when the server hears it."""

    def __init__(self, wire: Wire, talk: Talk, *, by_hand: bool) -> None:
        self._wire = wire
        self._talk = talk
        self._by_hand = by_hand
        self._acknowledged = asyncio.Event()
        self._last_event_s = time.monotonic()

    async def open(self, update: Event) -> None:
        """Raises :class:`CommandError` when the session can't be as it was asked for."""
        await self._wire.send(update)
        while True:
            event = await self._soon(self._wire.receive())
            if event is None:
                raise CommandError("the cluster ended the session at once")
            if event["type"] == "error":
                raise refusal(event["error"])
            if event["type"] == "session.updated":
                return

    async def play_file(self, pcm: bytes, recording: Recording, *, fast: bool) -> None:
        """Say what was recorded, and record what is answered. Raises :class:`CommandError`, also when nothing was."""
        if await self._beside_reading(self._say_fast(pcm, recording) if fast else self._say(pcm, recording)):
            raise CommandError("the cluster ended the session before all was answered")
        if not self._talk.answers:
            what = "no words were recognized" if self._talk.heard or self._by_hand else "no speech was heard"
            raise CommandError(f"{what} in the recording, so nothing was answered")

    async def hold(self, microphone: Callable[[asyncio.Queue[bytes]], Any], loudspeaker: Callable[[], Any]) -> None:
        """Talk until it is cancelled or the server ends it."""
        pieces: asyncio.Queue[bytes] = asyncio.Queue()
        with ExitStack() as devices:
            devices.enter_context(loudspeaker())
            devices.enter_context(microphone(pieces))
            if await self._beside_reading(self._push_to_talk(pieces) if self._by_hand else self._listen(pieces)):
                note("The cluster has ended the session.")

    # --- reading ----------------------------------------------------------------------------------------------------------

    async def _beside_reading(self, speaking: Coroutine[Any, Any, None]) -> bool:
        """Until all is said or the server ends the session: whether it did. What fails first is raised."""
        saying, reading = asyncio.ensure_future(speaking), asyncio.ensure_future(self._read())
        try:
            done, _ = await asyncio.wait((saying, reading), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            return saying not in done
        finally:
            saying.cancel()
            reading.cancel()
            await asyncio.gather(saying, reading, return_exceptions=True)

    async def _read(self) -> None:
        while (event := await self._wire.receive()) is not None:
            self._last_event_s = time.monotonic()
            if event["type"] == "session.updated":
                self._acknowledged.set()
            await self._send(self._talk.on(event))

    # --- from a file ------------------------------------------------------------------------------------------------------

    async def _say(self, pcm: bytes, recording: Recording) -> None:
        """In real time, as a microphone does; the loudspeaker plays as fast."""
        pieces = [pcm[start : start + _PIECE_BYTES] for start in range(0, len(pcm), _PIECE_BYTES)]
        pieces += [] if self._by_hand else [_SILENCE] * _TAIL_PIECES
        due = time.monotonic()
        for piece in pieces:
            await self._hear(piece)
            due = await self._next(due, recording)
        if self._by_hand:
            await self._send(self._talk.committed())
        await self._acknowledge()
        while not self._talk.settled:
            if not self._by_hand:
                await self._hear(_SILENCE)
            due = await self._next(due, recording)

    async def _say_fast(self, pcm: bytes, recording: Recording) -> None:
        """As fast as the server takes it. Time stands still for the loudspeaker: it plays all at once, and nothing is cut short."""
        pcm += b"" if self._by_hand else _SILENCE * _TAIL_PIECES
        for start in range(0, len(pcm), _FAST_PIECE_BYTES):
            await self._hear(pcm[start : start + _FAST_PIECE_BYTES])
            recording.write(self._talk.playback.pull(_ALL))
        if self._by_hand:
            await self._send(self._talk.committed())
        await self._acknowledge()
        due = time.monotonic()
        while not self._talk.settled:
            recording.write(self._talk.playback.pull(_ALL))
            if not self._by_hand:
                await self._hear(_SILENCE)
            due = await self._next(due, recording)
        recording.write(self._talk.playback.pull(_ALL))

    async def _next(self, due: float, recording: Recording) -> float:
        """Play a piece, and wait until the next one is due. Raises :class:`CommandError` when the server has gone silent."""
        recording.write(self._talk.playback.pull(_PIECE_BYTES))
        now = time.monotonic()
        if not self._talk.settled and self._talk.playback.idle and now - self._last_event_s > _PATIENCE_S:
            raise _silent()
        due += _PIECE_MS / 1000
        await asyncio.sleep(max(0.0, due - now))
        return due

    async def _acknowledge(self) -> None:
        """Wait until the server has done everything that was sent: it answers in order, and an update without changes, too."""
        self._acknowledged.clear()
        await self._wire.send({"type": "session.update", "session": {"type": "realtime"}})
        await self._soon(self._acknowledged.wait())

    # --- from the microphone ----------------------------------------------------------------------------------------------

    async def _listen(self, pieces: asyncio.Queue[bytes]) -> None:
        while True:
            await self._hear(await pieces.get())

    async def _push_to_talk(self, pieces: asyncio.Queue[bytes]) -> None:
        """Enter begins and ends each turn; the end of standard input ends the conversation."""
        enter: asyncio.Queue[bool] = asyncio.Queue()
        _watch_enter(asyncio.get_running_loop(), enter)
        while True:
            note("Press Enter and speak.")
            while enter.empty():
                await pieces.get()  # for nobody
            if not enter.get_nowait():
                return
            await self._send(self._talk.interrupt())
            note("Press Enter when you have finished.")
            while enter.empty():
                await self._hear(await pieces.get())
            more = enter.get_nowait()
            await self._send(self._talk.committed())
            if not more:
                return

    # --- parts of the above -----------------------------------------------------------------------------------------------

    async def _hear(self, pcm: bytes) -> None:
        if pcm:
            await self._wire.send({"type": "input_audio_buffer.append", "audio": pcm})

    async def _soon(self, awaitable: Awaitable[_T]) -> _T:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await awaitable
        except TimeoutError:
            raise _silent() from None

    async def _send(self, events: list[Event]) -> None:
        for event in events:
            await self._wire.send(event)


def _silent() -> CommandError:
    return CommandError(f"the cluster has not answered for {_PATIENCE_S:.0f} s")


def _watch_enter(loop: asyncio.AbstractEventLoop, pressed: asyncio.Queue[bool]) -> None:
    """Tell of each line of standard input, and of its end by ``False``.

    By a thread that nobody waits for, as it may be held in its read when all else has ended.
    """

    def watch() -> None:
        more = True
        while more:
            more = bool(sys.stdin.readline())
            try:
                loop.call_soon_threadsafe(pressed.put_nowait, more)
            except RuntimeError:  # the loop is closed
                return

    threading.Thread(target=watch, name="enter", daemon=True).start()

"""Reads an engine core's events without losing any: what was missed is asked for again, and what can't be had is owned up to.

| Next batch is        | What is done                                                                                      |
|----------------------|---------------------------------------------------------------------------------------------------|
| the expected one     | handed on                                                                                         |
| an earlier one       | passed over: it came with a replay already                                                        |
| a later one          | *gap*: all from the expected one on are asked for. If the first of them is still there, the       |
|                      | *replay* closes the gap. Otherwise, or without an answer, the reader is told that it *lost* track |
| below the one before | the publisher has begun anew, with an empty cache: the reader is told so                          |
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

import msgspec
import zmq
import zmq.asyncio

from cluster.engine.vllm.kv_events.sockets import HIGH_WATER_BATCHES
from cluster.engine.vllm.kv_events.wire import AllBlocksCleared, BlockRemoved, BlockStored, batch_decoder

logger = logging.getLogger("ossature.engine.kv_events")

#: The engine core answers between two steps; a long prefill may be one of them.
REPLAY_TIMEOUT_S = 30.0

_END = -1


class EventReader(Protocol):
    """Who the events are for. Calls come on the feed's event loop, in the order of the events."""

    def events(self, events: Sequence[BlockStored | BlockRemoved | AllBlocksCleared]) -> None:
        """One batch."""
        ...

    def gap(self) -> None:
        """Batches are missing; they were asked for."""
        ...

    def replayed(self, batches: int) -> None:
        """The gap was closed by so many batches, all of them handed on by now."""
        ...

    def lost(self) -> None:
        """Batches are missing for good."""
        ...

    def restarted(self) -> None:
        """The engine's cache is a new one, and empty."""
        ...


class EventFeed:
    """Reads the batches of one publisher and hands them to ``reader``."""

    def __init__(self, events: str, replay: str, reader: EventReader, replay_timeout_s: float = REPLAY_TIMEOUT_S) -> None:
        """``events`` and ``replay``: ZeroMQ addresses."""
        self._events = events
        self._replay = replay
        self._reader = reader
        self._replay_timeout_s = replay_timeout_s
        self._expected = 0
        self._latest = -1  # number of the last batch that was published to us

    async def run(self) -> None:
        """Read until cancelled. Raises ``zmq.ZMQError`` when a socket fails."""
        context = zmq.asyncio.Context()
        try:
            with context.socket(zmq.SUB) as socket:
                socket.set(zmq.RCVHWM, HIGH_WATER_BATCHES)
                socket.subscribe(b"")
                socket.connect(self._events)
                while True:
                    frames = await socket.recv_multipart()
                    await self._take(context, frames)
        finally:
            context.destroy(linger=0)

    async def _take(self, context: zmq.asyncio.Context, frames: Sequence[bytes]) -> None:
        if len(frames) != 3:
            logger.warning("passed over a message of %d parts from the engine core", len(frames))
            return
        _, packed_number, payload = frames
        number = int.from_bytes(packed_number, "big", signed=True)
        if number <= self._latest:
            logger.warning("the engine core's events have begun anew, with batch %d after %d", number, self._latest)
            self._expected = 0
            self._reader.restarted()
        self._latest = number
        if number > self._expected:
            await self._close_gap(context, number)
        if number >= self._expected:
            self._hand_on(number, payload)

    def _hand_on(self, number: int, payload: bytes) -> None:
        try:
            events = batch_decoder.decode(payload).events
        except msgspec.DecodeError as error:
            logger.error("batch %d of the engine core's events can't be read: %s", number, error)
            self._reader.lost()
        else:
            self._reader.events(events)
        self._expected = number + 1

    async def _close_gap(self, context: zmq.asyncio.Context, number: int) -> None:
        """Ask for the batches from the expected one on, which the batch ``number`` has passed over."""
        self._reader.gap()
        first = self._expected
        try:
            async with asyncio.timeout(self._replay_timeout_s):
                batches = await self._replayed(context, first)
        except TimeoutError:
            batches = []
        if not batches or batches[0][0] != first:
            logger.warning("batches %d to %d of the engine core's events can't be had any more", first, number - 1)
            self._reader.lost()
            self._expected = number
            return
        for replayed, payload in batches:
            self._hand_on(replayed, payload)
        self._reader.replayed(len(batches))

    async def _replayed(self, context: zmq.asyncio.Context, first: int) -> list[tuple[int, bytes]]:
        """Batches from ``first`` on that the engine core still has, numbers and payloads, in order."""
        batches: list[tuple[int, bytes]] = []
        # Of its own for each replay, so that an answer that comes too late meets nobody.
        with context.socket(zmq.DEALER) as socket:
            socket.set(zmq.LINGER, 0)
            socket.set(zmq.RCVHWM, HIGH_WATER_BATCHES)
            socket.connect(self._replay)
            await socket.send_multipart([b"", first.to_bytes(8, "big")])
            while True:
                frames = await socket.recv_multipart()
                number = int.from_bytes(frames[-2], "big", signed=True)
                if number == _END:
                    return batches
                batches.append((number, frames[-1]))

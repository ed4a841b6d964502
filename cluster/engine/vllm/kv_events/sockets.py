"""Where an engine core publishes its events: sockets in a folder that only this user can enter. No port is opened for them."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPLAYABLE_BATCHES = 2000
"""One for each engine step that stored or evicted something. The engine core keeps them, with the tokens in them, for a reader

that missed some: at 8,192 tokens a step they are about 80 KB each."""

HIGH_WATER_BATCHES = 10_000
"""Batches that may wait for a slow reader. Further ones are dropped and have to be replayed."""


@dataclass(frozen=True, slots=True)
class EventSockets:
    """``folder`` is this engine's own; :meth:`remove` ends it."""

    folder: Path

    @classmethod
    def make(cls) -> EventSockets:
        # Not in the data folder: a socket's path may have 107 characters.
        return cls(Path(tempfile.mkdtemp(prefix="ossature-kv-")))

    @property
    def events(self) -> str:
        return f"ipc://{self.folder}/events"

    @property
    def replay(self) -> str:
        return f"ipc://{self.folder}/replay"

    def publisher(self) -> Any:
        """vLLM's ``KVEventsConfig`` for these sockets."""
        from vllm.config import KVEventsConfig

        return KVEventsConfig(
            enable_kv_cache_events=True,
            publisher="zmq",
            endpoint=self.events,
            replay_endpoint=self.replay,
            buffer_steps=REPLAYABLE_BATCHES,
            hwm=HIGH_WATER_BATCHES,
            max_queue_size=HIGH_WATER_BATCHES,
        )

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

"""Where the parts of a session put what they want done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cluster.realtime.protocol.audio import AudioFormat
from cluster.realtime.protocol.server_events import ServerEvent
from cluster.realtime.session.actions import Action, Send

NewId = Callable[[str], str]
"""Prefix → an id that was never given before (``item`` → ``item_…``)."""


class Emitter:
    """Collects the actions of one input, in order."""

    def __init__(self, new_id: NewId) -> None:
        self.new_id = new_id
        self._actions: list[Action] = []

    def do(self, action: Action) -> None:
        self._actions.append(action)

    def send(self, kind: type[ServerEvent], *, format: AudioFormat | None = None, **fields: Any) -> None:
        """Send an event of this kind; its id is made here."""
        self._actions.append(Send(kind(event_id=self.new_id("event"), **fields), format))

    def taken(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions

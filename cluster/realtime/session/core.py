"""What the parts of one session share."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.realtime.protocol import server_events as events
from cluster.realtime.session.configuration import SessionConfig
from cluster.realtime.session.conversation import Conversation
from cluster.realtime.session.emitter import Emitter
from cluster.realtime.session.items import StoredItem
from cluster.realtime.session.limits import Abilities, Behaviour, SessionLimits


@dataclass(slots=True)
class Core:
    """``config`` is replaced by updates; all else stays."""

    session_id: str
    conversation_id: str
    config: SessionConfig
    limits: SessionLimits
    behaviour: Behaviour
    abilities: Abilities
    conversation: Conversation
    emitter: Emitter

    @property
    def recognizes(self) -> bool:
        """Whether the words of a user's audio are wanted, and can be had."""
        wanted = not self.behaviour.model_hears or self.config.input.transcription is not None
        return self.abilities.recognition and wanted

    def add_own_item(self, item: StoredItem) -> str | None:
        """Append an item that the server makes, in place of the oldest ones where there is no room. Returns the id before it."""
        for old in self.conversation.overflow(item):
            self.conversation.remove(old)
            self.emitter.send(events.ItemDeleted, item_id=old.id)
        return self.conversation.insert(item)

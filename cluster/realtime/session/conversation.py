"""The conversation: items in order, within bounds."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.session.items import StoredItem
from cluster.realtime.session.limits import SessionLimits

ROOT = "root"
"""As ``previous_item_id``: before all others."""


class Conversation:
    def __init__(self, limits: SessionLimits) -> None:
        self._limits = limits
        self._items: list[StoredItem] = []
        self._by_id: dict[str, StoredItem] = {}

    def __iter__(self) -> Iterator[StoredItem]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def last_id(self) -> str | None:
        return self._items[-1].id if self._items else None

    @property
    def text_chars(self) -> int:
        return sum(item.text_chars for item in self._items)

    @property
    def audio_bytes(self) -> int:
        return sum(item.audio_bytes for item in self._items)

    def find(self, item_id: str) -> StoredItem | None:
        return self._by_id.get(item_id)

    def previous_id(self, item: StoredItem) -> str | None:
        index = self._items.index(item)
        return self._items[index - 1].id if index else None

    def has_call(self, call_id: str) -> bool:
        return any(item.kind == "function_call" and item.call_id == call_id for item in self._items)

    def check_room(self, item: StoredItem) -> None:
        """Raises :class:`EventRefused` if there is no room for what a client wants to add."""
        if len(self._items) >= self._limits.max_items:
            raise EventRefused("conversation_full", f"The conversation holds {self._limits.max_items} items already; delete some.")
        if self.text_chars + item.text_chars > self._limits.max_text_chars:
            raise EventRefused(
                "conversation_full",
                f"The conversation's text would exceed {self._limits.max_text_chars} characters; delete some items.",
            )

    def overflow(self, item: StoredItem) -> list[StoredItem]:
        """The oldest items that must go before ``item``, which the server adds, has room."""
        going: list[StoredItem] = []
        text_chars = self.text_chars + item.text_chars
        for old in self._items:
            fits = len(self._items) - len(going) < self._limits.max_items and text_chars <= self._limits.max_text_chars
            if fits or old.status == "in_progress":
                break
            going.append(old)
            text_chars -= old.text_chars
        return going

    def insert(self, item: StoredItem, previous_item_id: str | None = None) -> str | None:
        """Put an item after another one, or at the end. Returns the id of the one before it.

        Raises :class:`EventRefused` if the id is taken or there is no such other item.
        """
        if item.id in self._by_id:
            raise EventRefused(
                "item_create_duplicate_item_id", f"The conversation has an item with id '{item.id}' already.", param="item.id"
            )
        index = self._place(previous_item_id)
        self._items.insert(index, item)
        self._by_id[item.id] = item
        return self._items[index - 1].id if index else None

    def remove(self, item: StoredItem) -> None:
        self._items.remove(item)
        del self._by_id[item.id]

    def bound_audio(self) -> None:
        """Forget the audio of the oldest items until the rest is within its limit. The newest may go beyond it alone."""
        held = self.audio_bytes
        for item in self._items[:-1]:
            if held <= self._limits.max_kept_audio_bytes:
                return
            held -= item.audio_bytes
            item.forget_audio()

    def _place(self, previous_item_id: str | None) -> int:
        if previous_item_id is None:
            return len(self._items)
        if previous_item_id == ROOT:
            return 0
        previous = self._by_id.get(previous_item_id)
        if previous is None:
            raise EventRefused(
                "item_create_invalid_previous_item_id",
                f"Previous item with id '{previous_item_id[:100]}' not found.",
                param="previous_item_id",
            )
        return self._items.index(previous) + 1

"""What a trainer reads: one JSON object a line, with nothing of OpenAI's format left that chat templates stumble over.

Messages are as the engine hands them to a template: content is a string, arguments of calls are objects, refusals are content,
deprecated function calls are calls of tools. A user message with images has a list of ``{"type": "text", "text": …}`` and
``{"type": "image"}``, of which the n-th of the row is the n-th of ``images``. Roles and names are as they were; whoever renders a
template that knows no ``developer`` gives it ``system``, as the engine does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from cluster.images.encoded import EncodedImage

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SupervisedRow:
    """``completion``: the one message to learn. ``images``: those of ``prompt``, in the order of their places there."""

    prompt: tuple[Message, ...]
    completion: Message
    tools: tuple[Message, ...]
    images: tuple[EncodedImage, ...] = ()

    def to_json(self) -> bytes:
        """One line, without its end."""
        images = [image.to_json() for image in self.images]
        return msgspec.json.encode({"prompt": self.prompt, "completion": [self.completion], "tools": self.tools, "images": images})

    def characters(self, line: bytes) -> int:
        """Of the row's JSON, ``line``, those that are not of images: a measure of its tokens."""
        return len(line) - sum((len(image.data) + 2) // 3 * 4 for image in self.images)


@dataclass(frozen=True, slots=True)
class PreferenceRow:
    """``chosen`` is the better answer to ``prompt``."""

    prompt: tuple[Message, ...]
    chosen: Message
    rejected: Message
    tools: tuple[Message, ...]

    def to_json(self) -> bytes:
        """One line, without its end."""
        return msgspec.json.encode(
            {"prompt": self.prompt, "chosen": [self.chosen], "rejected": [self.rejected], "tools": self.tools}
        )

    def characters(self, line: bytes) -> int:
        """As :meth:`SupervisedRow.characters`."""
        return len(line)


Row = SupervisedRow | PreferenceRow

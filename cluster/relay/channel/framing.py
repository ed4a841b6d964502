"""Messages on a byte stream: four bytes of length, little endian, and the message in MessagePack."""

from __future__ import annotations

import msgspec

from cluster.relay.channel.messages import Message

HEADER_BYTES = 4


class ProtocolViolation(Exception):
    """The other end says what it may not say. The connection can't be trusted any more."""


def pack(encoder: msgspec.msgpack.Encoder, message: Message) -> bytearray:
    """``message`` as it goes onto the wire."""
    packed = bytearray(HEADER_BYTES)
    encoder.encode_into(message, packed, HEADER_BYTES)
    packed[:HEADER_BYTES] = (len(packed) - HEADER_BYTES).to_bytes(HEADER_BYTES, "little")
    return packed


class Splitter:
    """Finds the messages in what a socket gives. ``max_bytes``: of one message; it may be changed between calls."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._rest = bytearray()
        self._needed_bytes = HEADER_BYTES

    def feed(self, data: bytes) -> list[memoryview]:
        """The messages that ``data`` completes, in order. Raises :class:`ProtocolViolation` for one that is too long."""
        received: bytes | bytearray = data
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed_bytes:
                return []
            received, self._rest = self._rest, bytearray()
        view = memoryview(received)
        size, start = len(view), 0
        messages: list[memoryview] = []
        self._needed_bytes = HEADER_BYTES
        while size - start >= HEADER_BYTES:
            length = int.from_bytes(view[start : start + HEADER_BYTES], "little")
            if length > self.max_bytes:
                raise ProtocolViolation(f"a message of {length} bytes; at most {self.max_bytes} are allowed")
            end = start + HEADER_BYTES + length
            if end > size:
                self._needed_bytes = HEADER_BYTES + length
                break
            messages.append(view[start + HEADER_BYTES : end])
            start = end
        if start < size:
            self._rest = bytearray(view[start:])
        return messages

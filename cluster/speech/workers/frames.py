"""Messages between a speech server and its worker processes: over pipes, with a length and a kind before each.

The libraries underneath are C: they keep Python's lock while they compute, can't do two things at once, and end the process that
meets a defect of theirs. So each runs in a process of its own, which needs nothing but the standard library and that library.

``length`` (4 bytes, big endian, of the payload) ``kind`` (1 byte) ``payload``.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import BinaryIO, Final

HEADER: Final = struct.Struct(">IB")
#: A worker takes no larger message: a minute and more of audio.
MAX_PAYLOAD_BYTES: Final = 8 << 20


class Kind(IntEnum):
    #: From the worker, once, when it can work.
    READY = 1
    #: To the worker: begin something (JSON). From a synthesizer: the marks of what it is about to say (JSON).
    BEGIN = 2
    MARKS = 3
    #: PCM, either way.
    AUDIO = 4
    #: To a recognizer: say what was recognized; it answers with a RESULT (JSON).
    SETTLE = 5
    RESULT = 6
    #: From the worker: through with what was begun; or it can't be done (text).
    END = 7
    FAILED = 8
    #: To the worker: forget what was begun, if anything still is. Each is answered with one CANCELLED, the last word on that work.
    CANCEL = 9
    CANCELLED = 10


def packed(kind: Kind, payload: bytes = b"") -> bytes:
    return HEADER.pack(len(payload), kind) + payload


def write(stream: BinaryIO, kind: Kind, payload: bytes = b"") -> None:
    """Write and flush one message. For workers."""
    stream.write(packed(kind, payload))
    stream.flush()


def read(stream: BinaryIO) -> tuple[Kind, bytes] | None:
    """The next message, None at the end of the stream. For workers.

    Raises:
        EOFError: the stream ended within a message.
        ValueError: an unknown kind or a payload out of bounds.
    """
    header = stream.read(HEADER.size)
    if not header:
        return None
    length, kind = unpack_header(header)
    payload = stream.read(length)
    if len(payload) < length:
        raise EOFError("the stream ended within a message")
    return kind, payload


def unpack_header(header: bytes) -> tuple[int, Kind]:
    """Payload bytes and kind.

    Raises:
        EOFError: not a whole header.
        ValueError: an unknown kind or a payload out of bounds.
    """
    if len(header) < HEADER.size:
        raise EOFError("the stream ended within a message")
    length, kind = HEADER.unpack(header)
    if length > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a message of {length} bytes")
    return length, Kind(kind)

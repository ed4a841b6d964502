from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.relay.channel.framing import HEADER_BYTES, ProtocolViolation, Splitter, pack
from cluster.relay.channel.messages import Cancel, Credit, Delta, FromReplica, Ping, Step

ENCODER = msgspec.msgpack.Encoder()
DECODER = msgspec.msgpack.Decoder(FromReplica)


def cut(data: bytes, points: list[int]) -> list[bytes]:
    """``data`` in pieces, as a socket might give it."""
    edges = [0, *sorted(point % (len(data) + 1) for point in points), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 2**63 - 1), st.lists(st.binary(max_size=300), max_size=3)), max_size=4), max_size=6),
    st.lists(st.integers(0, 10_000), max_size=20),
)
def test_messages_survive_any_way_of_cutting_the_stream(steps: list[list[tuple[int, list[bytes]]]], points: list[int]) -> None:
    messages = [Step([Delta(stream, payloads) for stream, payloads in deltas]) for deltas in steps]
    wire = b"".join(pack(ENCODER, message) for message in messages)
    splitter = Splitter(1 << 20)
    received = [DECODER.decode(packed) for piece in cut(wire, points) for packed in splitter.feed(piece)]
    assert received == messages


@given(st.integers(0, 200), st.integers(1, 50))
def test_nothing_is_given_before_it_is_complete(size: int, missing: int) -> None:
    wire = bytes(pack(ENCODER, Step([Delta(1, [bytes(size)])])))
    splitter = Splitter(1 << 20)
    head, tail = wire[: -min(missing, len(wire))], wire[-min(missing, len(wire)) :]
    assert splitter.feed(head) == []
    assert len(splitter.feed(tail)) == 1


def test_a_message_that_is_too_long_is_refused_by_its_header_alone() -> None:
    splitter = Splitter(100)
    with pytest.raises(ProtocolViolation, match="101 bytes"):
        splitter.feed((101).to_bytes(HEADER_BYTES, "little"))


def test_a_message_of_the_largest_size_passes() -> None:
    wire = pack(ENCODER, Cancel(7))
    assert len(Splitter(len(wire) - HEADER_BYTES).feed(bytes(wire))) == 1


@pytest.mark.parametrize("message", [Credit(1, 2), Cancel(3)])
def test_what_the_other_side_alone_may_say_is_not_understood(message: Credit | Cancel) -> None:
    with pytest.raises(msgspec.DecodeError):
        DECODER.decode(ENCODER.encode(message))


def test_a_ping_is_a_few_bytes() -> None:
    assert len(pack(ENCODER, Ping())) <= HEADER_BYTES + 2

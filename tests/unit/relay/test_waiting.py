"""The account of what waits for slow clients: who has to go when there is too much."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from cluster.relay.channel.waiting import WaitingBytes


@dataclass(eq=False)
class Stream:
    owner: str
    given_up: bool = False

    def give_up(self) -> None:
        self.given_up = True


def test_the_largest_answer_of_the_organization_that_holds_most_has_to_go() -> None:
    """Not the largest of all: an honest slow reader is not pushed out by many small ones of somebody else."""
    waiting = WaitingBytes(100)
    honest, small, smaller, latest = Stream("honest"), Stream("many"), Stream("many"), Stream("many")
    waiting.kept(honest, 40)
    waiting.kept(small, 30)
    waiting.kept(smaller, 25)
    waiting.kept(latest, 10)
    assert [stream.given_up for stream in (honest, small, smaller, latest)] == [False, True, False, False]
    assert waiting.size_bytes == 75


def test_nobody_has_to_go_up_to_the_bound() -> None:
    waiting = WaitingBytes(100)
    stream = Stream("org")
    waiting.kept(stream, 100)
    assert not stream.given_up
    waiting.kept(stream, 1)
    assert stream.given_up
    assert (waiting.size_bytes, waiting.given_up) == (0, 1)


def test_a_stream_that_brings_more_than_the_bound_at_once_goes_itself() -> None:
    waiting = WaitingBytes(100)
    other, stream = Stream("other"), Stream("org")
    waiting.kept(other, 60)
    waiting.kept(stream, 1000)
    assert (other.given_up, stream.given_up, waiting.size_bytes) == (False, True, 60)


def test_as_many_go_as_it_takes() -> None:
    waiting = WaitingBytes(100)
    large, streams = Stream("large"), [Stream("org") for _ in range(10)]
    for stream in streams:
        waiting.kept(stream, 9)
    waiting.kept(large, 20)
    assert waiting.size_bytes == 92
    assert sum(stream.given_up for stream in streams) == waiting.given_up == 2
    assert not large.given_up


def test_nothing_is_released_twice() -> None:
    waiting = WaitingBytes(100)
    stream = Stream("org")
    waiting.kept(stream, 50)
    waiting.released(stream, 20)
    waiting.released(stream)
    waiting.released(stream)
    waiting.released(Stream("nobody"), 10)
    assert waiting.size_bytes == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60), st.booleans()), max_size=60))
def test_the_account_is_right_and_within_its_bound_whatever_happens(turns: list[tuple[int, int, bool]]) -> None:
    waiting = WaitingBytes(100)
    streams = [Stream(f"org-{number % 3}") for number in range(6)]
    model = dict.fromkeys(streams, 0)
    for number, size, read in turns:
        stream = streams[number]
        if stream.given_up:
            continue
        if read:
            waiting.released(stream, min(size, model[stream]))
            model[stream] -= min(size, model[stream])
        else:
            model[stream] += size
            waiting.kept(stream, size)
        for other in streams:
            if other.given_up:
                model[other] = 0
        assert waiting.size_bytes == sum(model.values()) <= 100
        assert waiting.given_up == sum(other.given_up for other in streams)

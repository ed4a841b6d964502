"""Each row of the table in ``turns/machine.py``, and what holds for any order of frames."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import InvalidRequest
from cluster.speech.contract import SpeechMaybeEnded, SpeechResumed, SpeechStarted, SpeechStopped, TurnEvent
from cluster.speech.turns.machine import ONSET, State, TurnMachine
from cluster.speech.turns.settings import Eagerness, SemanticVad, ServerVad, TurnSettings

LOUD, BETWEEN, QUIET = 0.9, 0.4, 0.1
NO_PADDING = ServerVad(prefix_padding_ms=0)


def after(machine: TurnMachine, *probabilities: float) -> list[TurnEvent]:
    return [event for probability in probabilities for event in machine.frame(probability)]


def speaking(settings: TurnSettings = NO_PADDING) -> TurnMachine:
    machine = TurnMachine(settings)
    after(machine, LOUD, LOUD)
    assert machine.state is State.SPEAKING
    return machine


def doubtful(settings: TurnSettings = NO_PADDING) -> TurnMachine:
    machine = speaking(settings)
    after(machine, *[QUIET] * 7)
    assert machine.state is State.DOUBTFUL
    return machine


# Rows


def test_quiet_stays_quiet() -> None:
    machine = TurnMachine(NO_PADDING)
    assert after(machine, QUIET, QUIET) == []
    assert machine.state is State.QUIET


def test_one_loud_frame_starts_nothing() -> None:
    machine = TurnMachine(NO_PADDING)
    assert after(machine, LOUD, QUIET, LOUD, QUIET) == []
    assert machine.state is State.QUIET
    assert after(machine, LOUD, QUIET, LOUD) == []


def test_loud_frames_in_line_start_a_turn_where_the_first_of_them_began() -> None:
    machine = TurnMachine(NO_PADDING)
    assert after(machine, QUIET, QUIET, *[LOUD] * ONSET) == [SpeechStarted(64)]
    assert machine.state is State.SPEAKING


def test_speech_goes_on_without_events() -> None:
    machine = speaking()
    assert after(machine, *[LOUD] * 50) == []


def test_a_short_pause_is_no_event() -> None:
    machine = speaking()
    assert after(machine, *[QUIET] * 6) == []
    assert machine.state is State.SPEAKING
    assert after(machine, LOUD, *[QUIET] * 6) == []


def test_a_longer_pause_may_be_the_end() -> None:
    machine = speaking()
    assert after(machine, *[QUIET] * 7) == [SpeechMaybeEnded(64)]
    assert machine.state is State.DOUBTFUL


def test_speech_after_a_doubt_resumes_the_turn() -> None:
    machine = doubtful()
    assert after(machine, LOUD) == [SpeechResumed(64 + 7 * 32)]
    assert machine.state is State.SPEAKING


def test_doubt_lasts_until_the_silence_is_long_enough() -> None:
    machine = doubtful()
    assert after(machine, *[QUIET] * 8) == []
    assert after(machine, QUIET) == [SpeechStopped(64 + 16 * 32)]
    assert machine.state is State.QUIET


def test_with_a_short_silence_the_doubt_and_the_end_come_together() -> None:
    machine = speaking(ServerVad(silence_duration_ms=100))
    assert after(machine, *[QUIET] * 4) == [SpeechMaybeEnded(64), SpeechStopped(64 + 128)]


def test_without_any_silence_the_first_quiet_frame_ends_the_turn() -> None:
    machine = speaking(ServerVad(silence_duration_ms=0))
    assert after(machine, QUIET) == [SpeechMaybeEnded(64), SpeechStopped(96)]


# Thresholds, padding, settings


def test_speech_ends_at_a_lower_probability_than_it_begins_at() -> None:
    assert after(TurnMachine(NO_PADDING), *[BETWEEN] * 20) == []
    assert after(speaking(), *[BETWEEN] * 20) == []
    assert after(speaking(), QUIET, *[BETWEEN] * 20) != []


def test_padding_reaches_back_but_not_over_the_beginning_or_the_turn_before() -> None:
    machine = TurnMachine(ServerVad(prefix_padding_ms=300))
    assert after(machine, QUIET, LOUD, LOUD) == [SpeechStarted(0)]
    events = after(machine, *[QUIET] * 16, LOUD, LOUD)
    stopped = next(event for event in events if isinstance(event, SpeechStopped))
    assert events[-1] == SpeechStarted(stopped.at_ms)
    assert after(TurnMachine(ServerVad(prefix_padding_ms=300)), *[QUIET] * 20, LOUD, LOUD) == [SpeechStarted(640 - 300)]


def test_a_threshold_can_be_raised_while_a_turn_goes_on() -> None:
    machine = speaking()
    machine.configure(ServerVad(threshold=0.95, silence_duration_ms=0))
    assert after(machine, 0.7) == [SpeechMaybeEnded(64), SpeechStopped(96)]


def test_a_restart_forgets_the_turn_and_keeps_the_time() -> None:
    machine = doubtful()
    machine.restart()
    assert after(machine, *[QUIET] * 40) == []
    assert machine.now_ms == 32 * 49


# semantic_vad


@pytest.mark.parametrize("eagerness", Eagerness)
def test_what_sounds_finished_ends_sooner_than_what_does_not(eagerness: Eagerness) -> None:
    ends_ms = []
    for judgement in (1.0, 0.5, 0.0):
        machine = doubtful(SemanticVad(eagerness))
        machine.judge(judgement)
        events = after(machine, *[QUIET] * 300)
        assert isinstance(events[0], SpeechStopped)
        ends_ms.append(events[0].at_ms - 64)
    finished_ms, _, unfinished_ms = ends_ms
    assert ends_ms == sorted(ends_ms)
    longest_ms = {Eagerness.LOW: 8_000, Eagerness.HIGH: 2_000}.get(eagerness, 4_000)
    assert longest_ms <= unfinished_ms < longest_ms + 32
    assert finished_ms <= 1_024


def test_without_a_judgement_the_wait_lies_between() -> None:
    events = after(doubtful(SemanticVad()), *[QUIET] * 300)
    assert events == [SpeechStopped(64 + 1_216)]


def test_a_judgement_holds_for_its_pause_alone() -> None:
    machine = doubtful(SemanticVad())
    machine.judge(0.0)
    assert after(machine, LOUD, *[QUIET] * 300)[-1] == SpeechStopped(64 + 8 * 32 + 1_216)


def test_server_vad_takes_no_judgement() -> None:
    machine = doubtful()
    machine.judge(0.0)
    assert after(machine, *[QUIET] * 9) == [SpeechStopped(64 + 16 * 32)]


# Settings


@pytest.mark.parametrize(
    ("field", "value"),
    [("threshold", -0.1), ("threshold", 1.1), ("prefix_padding_ms", -1), ("silence_duration_ms", 10_001), ("early_silence_ms", -1)],
)
def test_settings_out_of_range_name_their_field(field: str, value: float) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ServerVad(**{field: value})  # type: ignore[arg-type]
    assert refused.value.param == field


# Any order

SETTINGS = st.one_of(
    st.builds(
        ServerVad,
        prefix_padding_ms=st.integers(0, 600),
        silence_duration_ms=st.integers(0, 700),
        early_silence_ms=st.integers(0, 400),
    ),
    st.builds(SemanticVad, eagerness=st.sampled_from(Eagerness), early_silence_ms=st.integers(0, 400)),
)
FOLLOWERS: dict[type[object], set[type[object]]] = {
    type(None): {SpeechStarted},
    SpeechStarted: {SpeechMaybeEnded},
    SpeechMaybeEnded: {SpeechResumed, SpeechStopped},
    SpeechResumed: {SpeechMaybeEnded},
    SpeechStopped: {SpeechStarted},
}


@given(settings=SETTINGS, frames=st.lists(st.sampled_from([LOUD, LOUD, BETWEEN, QUIET, QUIET, QUIET]), max_size=300))
def test_events_come_in_their_order_and_their_positions_never_go_back(settings: TurnSettings, frames: list[float]) -> None:
    machine = TurnMachine(settings)
    before: type[object] = type(None)
    floor_ms = 0
    for probability in frames:
        for event in machine.frame(probability):
            assert type(event) in FOLLOWERS[before]
            assert floor_ms <= event.at_ms <= machine.now_ms
            before = type(event)
            floor_ms = event.at_ms

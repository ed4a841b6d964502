"""Turns in real audio, by the real network."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.errors import InvalidRequest
from cluster.speech.audio.telephone import WireDecoder, WireEncoder, WireFormat
from cluster.speech.contract import SpeechMaybeEnded, SpeechResumed, SpeechStarted, SpeechStopped, TurnEvent
from cluster.speech.silero.model import SileroModel, SileroVad
from cluster.speech.turns.detector import TurnDetector
from cluster.speech.turns.settings import ServerVad
from tests.unit.speech.sounds import hiss, noise, pieces, silence, strawberries, tone


@cache
def network() -> SileroModel:
    return SileroModel()


def detector(vad: ServerVad | None = None, rate_hz: int = 24_000) -> TurnDetector:
    return TurnDetector(SileroVad(network()), vad or ServerVad(), rate_hz=rate_hz)


def heard(pcm: bytes, ears: TurnDetector | None = None) -> list[TurnEvent]:
    ears = ears or detector()
    return [event for piece in pieces(pcm) for event in ears.feed(piece)]


def test_a_sentence_is_one_turn_with_its_times() -> None:
    started, maybe, stopped = heard(silence(1.0) + strawberries() + silence(1.0))
    assert isinstance(started, SpeechStarted)
    assert 650 <= started.at_ms <= 900  # speech begins at 1,040 and its padding 300 ms earlier
    assert isinstance(maybe, SpeechMaybeEnded)
    assert 3_750 <= maybe.at_ms <= 4_100
    assert isinstance(stopped, SpeechStopped)
    assert stopped.at_ms - maybe.at_ms == pytest.approx(512, abs=32)


def test_two_sentences_are_two_turns_and_a_short_gap_between_them_is_none() -> None:
    apart = heard(strawberries() + silence(1.0) + strawberries() + silence(1.0))
    assert [type(event) for event in apart].count(SpeechStopped) == 2
    near = heard(strawberries() + silence(0.25) + strawberries() + silence(1.0))
    assert [type(event) for event in near] == [SpeechStarted, SpeechMaybeEnded, SpeechResumed, SpeechMaybeEnded, SpeechStopped]


@pytest.mark.parametrize(
    "sound",
    [
        silence(5),
        noise(5, level=0.01),
        tone(5, level=0.2),
        noise(0.02, level=0.9) + silence(3),
        # Above what the network hears, and folded into it.
        tone(3, hz=9_000),
        tone(3, hz=11_500),
        hiss(3, level=0.3),
    ],
)
def test_what_is_no_speech_starts_no_turn(sound: bytes) -> None:
    assert heard(sound) == []


def test_speech_in_noise_is_heard() -> None:
    scene = silence(0.5) + strawberries() + silence(1.0)
    rough = noise(len(scene) / 48_000, level=0.005)
    total = np.frombuffer(scene, "<i2").astype(np.int32) + np.frombuffer(rough, "<i2")
    events = heard(np.clip(total, -32768, 32767).astype("<i2").tobytes())
    assert isinstance(events[0], SpeechStarted)
    assert isinstance(events[-1], SpeechStopped)


def test_telephone_audio_is_heard() -> None:
    encoder, decoder = WireEncoder(WireFormat.MULAW), WireDecoder(WireFormat.MULAW)
    codes = encoder.push(silence(0.5) + strawberries() + silence(1.0)) + encoder.end()
    assert [type(event) for event in heard(decoder.push(codes))] == [SpeechStarted, SpeechMaybeEnded, SpeechStopped]


@cache
def scene() -> bytes:
    return silence(0.4) + strawberries() + silence(0.3) + strawberries()[:48_000] + silence(0.8)


@cache
def expected() -> tuple[TurnEvent, ...]:
    return tuple(detector().feed(scene()))


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 12_000), min_size=1, max_size=60))
def test_the_same_audio_has_the_same_events_however_it_is_cut(cuts: list[int]) -> None:
    ears = detector()
    events: list[TurnEvent] = []
    rest = scene()
    for size in cuts:
        events += ears.feed(rest[: 2 * size])
        rest = rest[2 * size :]
    assert tuple(events + ears.feed(rest)) == expected()
    assert len(expected()) >= 3


def test_a_restart_drops_the_turn_without_an_event() -> None:
    ears = detector()
    heard(strawberries()[:96_000], ears)
    assert ears.speaking
    ears.restart()
    assert not ears.speaking
    assert heard(silence(2), ears) == []
    assert ears.heard_ms > 2_800


def test_a_frame_is_judged_as_soon_as_it_is_whole() -> None:
    ears = detector()
    for count, piece in enumerate(pieces(tone(2.0)), 1):
        ears.feed(piece)
        assert 20 * count - ears.heard_ms <= 32


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        detector().feed(b"\x00")

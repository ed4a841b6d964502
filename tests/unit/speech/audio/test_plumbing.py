"""PCM, rates, wire formats and noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.errors import InvalidRequest
from cluster.speech.audio.noise import NoiseReducer, NoiseReduction
from cluster.speech.audio.pcm import as_int16, at_ms, from_float, ms_of, samples_of
from cluster.speech.audio.resample import Resampler, resample
from cluster.speech.audio.telephone import WireDecoder, WireEncoder, WireFormat
from tests.unit.speech.sounds import level, noise, pieces, pitch_hz, silence, strawberries, tone


def test_too_loud_samples_are_clipped_and_never_wrap() -> None:
    assert as_int16(from_float(np.array([2.0, 1.0, -1.0, -7.5]))).tolist() == [32767, 32767, -32768, -32768]


def test_positions_go_from_milliseconds_to_samples_and_back() -> None:
    assert at_ms(1500) == 36_000
    assert ms_of(36_000) == 1500
    assert ms_of(36_023) == 1500


@settings(max_examples=30, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 2000), max_size=40), rates=st.sampled_from([(24_000, 16_000), (8_000, 24_000), (16_000, 24_000)])
)
def test_a_resampled_stream_is_the_same_however_it_is_cut(cuts: list[int], rates: tuple[int, int]) -> None:
    pcm = noise(0.4, level=0.2, rate_hz=rates[0])
    one, many = Resampler(*rates), Resampler(*rates)
    whole = one.push(pcm) + one.end()
    cut = b""
    for size in cuts:
        cut += many.push(pcm[: 2 * size])
        pcm = pcm[2 * size :]
    assert cut + many.push(pcm) + many.end() == whole


def test_a_resampled_tone_keeps_its_pitch_its_length_and_its_place() -> None:
    pcm = silence(0.5) + tone(1.0)
    stream = Resampler(24_000, 16_000)
    out = b"".join(stream.push(piece) for piece in pieces(pcm)) + stream.end()
    assert samples_of(out) == 24_000
    assert pitch_hz(out[16_000:], 16_000) == pytest.approx(440, abs=1)
    assert level(out[: 2 * 7_900]) < 0.001
    assert level(out[2 * 8_100 :]) == pytest.approx(level(tone(1.0)), rel=0.02)


def test_equal_rates_pass_through() -> None:
    assert Resampler(24_000, 24_000).push(b"\x01\x02") == b"\x01\x02"
    assert resample(b"\x01\x02", 8_000, 8_000) == b"\x01\x02"


@pytest.mark.parametrize("rate_hz", [0, 7_999, 48_001])
def test_rates_out_of_range_are_refused(rate_hz: int) -> None:
    with pytest.raises(InvalidRequest):
        Resampler(rate_hz, 24_000)
    with pytest.raises(InvalidRequest):
        resample(b"\x00\x00", rate_hz, 24_000)


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        WireDecoder(WireFormat.PCM).push(b"\x00")
    assert refused.value.param == "audio"


@pytest.mark.parametrize("wire", [WireFormat.MULAW, WireFormat.ALAW])
def test_telephone_audio_there_and_back_is_the_same_speech(wire: WireFormat) -> None:
    encoder, decoder = WireEncoder(wire), WireDecoder(wire)
    there = b"".join(encoder.push(piece) for piece in pieces(tone(2.0))) + encoder.end()
    assert len(there) == 16_000
    back = b"".join(decoder.push(there[at : at + 160]) for at in range(0, len(there), 160))
    assert pitch_hz(back, 24_000) == pytest.approx(440, abs=1)
    assert level(back) == pytest.approx(level(tone(2.0)), rel=0.05)


def test_pcm_on_the_wire_is_left_alone() -> None:
    pcm = tone(0.1)
    assert WireDecoder(WireFormat.PCM).push(pcm) == pcm
    encoder = WireEncoder(WireFormat.PCM)
    assert encoder.push(pcm) + encoder.end() == pcm


def reduced(kind: NoiseReduction, pcm: bytes) -> bytes:
    reducer = NoiseReducer(kind)
    return b"".join(reducer.push(piece) for piece in pieces(pcm)) + reducer.end()


def mixed(pcm: bytes, other: bytes) -> bytes:
    return from_float((as_int16(pcm).astype(float) + as_int16(other)[: len(pcm) // 2]) / 32768.0)


@pytest.mark.parametrize("kind", NoiseReduction)
def test_noise_reduction_keeps_positions_and_the_amount_of_audio(kind: NoiseReduction) -> None:
    pcm = mixed(silence(1.0) + strawberries(), noise(5.0, level=0.003))
    out = reduced(kind, pcm)
    assert 0 <= samples_of(out) - samples_of(pcm) <= 240
    heard, said = as_int16(out).astype(float)[24_000:96_000], as_int16(pcm).astype(float)[24_000:96_000]
    likeness = [float(np.dot(said[: 72_000 - lag], heard[lag:])) for lag in range(480)]
    assert int(np.argmax(likeness)) < 240  # 10 ms


@pytest.mark.parametrize("kind", NoiseReduction)
def test_noise_reduction_takes_more_noise_than_speech(kind: NoiseReduction) -> None:
    speech, hiss = silence(1.0) + strawberries() + silence(1.0), noise(5.1, level=0.003)
    out = reduced(kind, mixed(speech, hiss))
    # Speech goes from 1.1 to 3.9 s; the last second is noise alone.
    spoken, unspoken = level(out[2 * 30_000 : 2 * 90_000]), level(out[2 * 101_000 : 2 * 119_000])
    assert spoken > 0.8 * level(speech[2 * 30_000 : 2 * 90_000])
    assert unspoken < spoken / 30


def test_noise_reduction_takes_half_of_steady_noise_at_least() -> None:
    hiss = noise(4.0, level=0.02)
    assert level(reduced(NoiseReduction.NEAR_FIELD, hiss)[2 * 48_000 :]) < 0.5 * level(hiss)


def test_far_field_brings_up_quiet_speech() -> None:
    quiet = mixed(from_float(as_int16(strawberries()) / 32768.0 * 0.1), noise(4.0, level=0.0005))
    twice = quiet + quiet
    assert level(reduced(NoiseReduction.FAR_FIELD, twice)[len(quiet) :]) > 2 * level(quiet)
    assert level(reduced(NoiseReduction.NEAR_FIELD, twice)[len(quiet) :]) == pytest.approx(level(quiet), rel=0.25)

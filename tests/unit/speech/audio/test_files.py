from __future__ import annotations

import io
import wave

import numpy as np
import pytest
import soundfile

from cluster.errors import InvalidRequest
from cluster.speech.audio.files import FileEncoder, FileFormat, decode, encode, file_format
from cluster.speech.audio.pcm import samples_of
from cluster.speech.errors import AudioTooLong, UnsupportedAudio
from tests.unit.speech.sounds import level, pieces, pitch_hz, tone

PCM = tone(3.0)
CONTAINERS = [kind for kind in FileFormat if kind is not FileFormat.PCM]


def streamed(kind: FileFormat, pcm: bytes = PCM) -> list[bytes]:
    encoder = FileEncoder(kind)
    return [*(encoder.push(piece) for piece in pieces(pcm)), encoder.end()]


@pytest.mark.parametrize("kind", CONTAINERS)
@pytest.mark.parametrize("way", ["whole", "streamed"])
def test_what_is_written_reads_back_as_the_same_sound(kind: FileFormat, way: str) -> None:
    data = encode(PCM, kind) if way == "whole" else b"".join(streamed(kind))
    back = decode(data, max_s=10)
    assert samples_of(back) == pytest.approx(samples_of(PCM), abs=24_000 * 0.1)
    assert pitch_hz(back, 24_000) == pytest.approx(440, abs=2)
    assert level(back) == pytest.approx(level(PCM), rel=0.1)


@pytest.mark.parametrize("kind", [FileFormat.WAV, FileFormat.FLAC])
def test_lossless_formats_keep_every_sample(kind: FileFormat) -> None:
    assert decode(b"".join(streamed(kind)), max_s=10) == PCM


@pytest.mark.parametrize("kind", FileFormat)
def test_a_stream_gives_data_before_its_end(kind: FileFormat) -> None:
    parts = streamed(kind)
    assert len(b"".join(parts[: len(parts) // 2])) > len(b"".join(parts)) // 4


def test_pcm_is_sent_bare() -> None:
    assert b"".join(streamed(FileFormat.PCM)) == PCM == encode(PCM, FileFormat.PCM)


def test_a_whole_wav_tells_its_length() -> None:
    with wave.open(io.BytesIO(encode(PCM, FileFormat.WAV))) as file:
        assert (file.getnframes(), file.getframerate(), file.getnchannels(), file.getsampwidth()) == (72_000, 24_000, 1, 2)


def test_an_empty_recording_is_a_file_too() -> None:
    assert decode(encode(b"", FileFormat.WAV), max_s=1) == b""


def test_channels_are_mixed_and_rates_are_brought_to_24_khz() -> None:
    times = np.arange(88_200) / 44_100
    stereo = np.stack([0.4 * np.sin(2 * np.pi * 440 * times), np.zeros(88_200)], axis=1)
    file = io.BytesIO()
    soundfile.write(file, stereo, 44_100, format="WAV")
    back = decode(file.getvalue(), max_s=10)
    assert samples_of(back) == 48_000
    assert level(back) == pytest.approx(0.2 / np.sqrt(2), rel=0.02)


@pytest.mark.parametrize("name", ["aac", "m4a", "", "MP3"])
def test_formats_that_cant_be_written_name_their_field(name: str) -> None:
    with pytest.raises(UnsupportedAudio) as refused:
        file_format(name)
    assert refused.value.param == "response_format"
    assert refused.value.status == 400


@pytest.mark.parametrize("data", [b"", b"RIFF", b"no audio at all" * 100, encode(PCM, FileFormat.WAV)[:20]])
def test_what_is_no_audio_is_refused(data: bytes) -> None:
    with pytest.raises(UnsupportedAudio) as refused:
        decode(data, max_s=10)
    assert refused.value.param == "file"


@pytest.mark.parametrize("kind", CONTAINERS)
def test_audio_cut_off_anywhere_is_read_as_far_as_it_goes_or_refused(kind: FileFormat) -> None:
    data = encode(PCM, kind)
    for end in range(0, len(data), max(len(data) // 23, 1)):
        try:
            back = decode(data[:end], max_s=10)
        except InvalidRequest:
            continue
        assert samples_of(back) <= samples_of(PCM) + 4800


@pytest.mark.parametrize("kind", CONTAINERS)
def test_too_much_audio_is_refused(kind: FileFormat) -> None:
    with pytest.raises(AudioTooLong):
        decode(encode(PCM, kind), max_s=2)


def test_odd_pcm_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        encode(b"\x00", FileFormat.WAV)

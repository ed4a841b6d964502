"""Audio as files: what ``/v1/audio/speech`` writes and ``/v1/audio/transcriptions`` reads. Encoding and decoding are libsndfile's.

All of it is processor work; long recordings belong on a thread.
"""

from __future__ import annotations

import io
import struct
from enum import StrEnum
from typing import Final

import soundfile

from cluster.speech.audio.pcm import as_int16, check_whole_samples, from_float
from cluster.speech.audio.resample import MAX_RATE_HZ, MIN_RATE_HZ, Resampler
from cluster.speech.contract import SAMPLE_RATE_HZ, Pcm
from cluster.speech.errors import AudioTooLong, UnsupportedAudio

_BLOCK_S: Final = 5
_MAX_CHANNELS: Final = 8
#: Length in the header of a WAV that is sent while it is made: as long as it takes.
_UNKNOWN_LENGTH: Final = 0xFFFFFFFF


class FileFormat(StrEnum):
    MP3 = "mp3"
    OPUS = "opus"
    FLAC = "flac"
    WAV = "wav"
    PCM = "pcm"

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self]


_MEDIA_TYPES: Final = {
    FileFormat.MP3: "audio/mpeg",
    FileFormat.OPUS: "audio/ogg",
    FileFormat.FLAC: "audio/flac",
    FileFormat.WAV: "audio/wav",
    FileFormat.PCM: "audio/pcm",
}
#: Arguments of libsndfile. MP3 at a constant 64 kbit/s: in a stream nobody can put right the header that tells how long a file with
#: a varying rate is, and players that reckon by its first frame would stop too early.
_CODECS: Final[dict[FileFormat, dict[str, object]]] = {
    FileFormat.MP3: {
        "format": "MP3",
        "subtype": "MPEG_LAYER_III",
        "bitrate_mode": "CONSTANT",
        "compression_level": 0.6,
    },
    FileFormat.OPUS: {"format": "OGG", "subtype": "OPUS"},
    FileFormat.FLAC: {"format": "FLAC", "subtype": "PCM_16"},
}


def file_format(name: str, *, param: str = "response_format") -> FileFormat:
    """Raises:
    UnsupportedAudio: a format that can't be written; AAC among them.
    """
    try:
        return FileFormat(name)
    except ValueError:
        raise UnsupportedAudio(f"{param} must be one of {', '.join(FileFormat)}", param=param) from None


class _Outbox(io.RawIOBase):
    """What an encoder writes, taken away as it comes. A header that it rewrites at the end after that is left as it was."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._taken = 0
        self._position = 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        end = self._taken + len(self._pending)
        self._position = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: end}[whence] + offset
        return self._position

    def write(self, data: object) -> int:
        given = bytes(memoryview(data))  # type: ignore[arg-type]  # any buffer
        skipped = max(self._taken - self._position, 0)
        at = self._position + skipped - self._taken
        kept = given[skipped:]
        self._pending[at : at + len(kept)] = kept
        self._position += len(given)
        return len(given)

    def take(self) -> bytes:
        out = bytes(self._pending)
        self._taken += len(out)
        self._pending.clear()
        return out


class _Forward(soundfile.SoundFile):  # type: ignore[misc]  # soundfile ships no types
    """Read from beginning to end. Seeking, which soundfile does after each read, fails in FLAC streams of unknown length."""

    def seekable(self) -> bool:
        return False


class FileEncoder:
    """PCM at 24 kHz to a file, sent while it is made: the pieces of :meth:`push` and :meth:`end` in a row are the file."""

    def __init__(self, kind: FileFormat) -> None:
        self._kind = kind
        self._outbox = _Outbox()
        self._file: soundfile.SoundFile | None = None
        if kind in _CODECS:
            self._file = soundfile.SoundFile(self._outbox, "w", samplerate=SAMPLE_RATE_HZ, channels=1, **_CODECS[kind])
        elif kind is FileFormat.WAV:
            self._outbox.write(wav_header(None))

    def push(self, pcm: Pcm) -> bytes:
        """Raises:
        InvalidRequest: an odd number of bytes.
        """
        check_whole_samples(pcm)
        if self._file is None:
            return self._outbox.take() + pcm
        self._file.write(as_int16(pcm))
        return self._outbox.take()

    def end(self) -> bytes:
        if self._file is not None:
            self._file.close()
        return self._outbox.take()


def encode(pcm: Pcm, kind: FileFormat) -> bytes:
    """A whole file of PCM at 24 kHz.

    Raises:
        InvalidRequest: an odd number of bytes.
    """
    check_whole_samples(pcm)
    if kind is FileFormat.PCM:
        return pcm
    if kind is FileFormat.WAV:
        return wav_header(len(pcm)) + pcm
    encoder = FileEncoder(kind)
    return encoder.push(pcm) + encoder.end()


def wav_header(data_bytes: int | None, rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    """The 44 bytes before 16-bit mono PCM; None: of a length that isn't known yet."""
    length = _UNKNOWN_LENGTH if data_bytes is None else data_bytes
    riff = _UNKNOWN_LENGTH if data_bytes is None else data_bytes + 36
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16, b"data", length
    )


def decode(data: bytes, *, max_s: float, param: str = "file", rate_hz: int = SAMPLE_RATE_HZ) -> Pcm:
    """Any WAV, FLAC, MP3 or Ogg (Opus, Vorbis) as PCM at ``rate_hz``; channels are mixed to one.

    Raises:
        UnsupportedAudio: not one of these, or broken, or more than eight channels, or a rate outside of 8 to 48 kHz.
        AudioTooLong: more than ``max_s`` seconds.
    """
    try:
        with _Forward(io.BytesIO(data)) as file:
            given_hz, channels = file.samplerate, file.channels
            if channels > _MAX_CHANNELS or not MIN_RATE_HZ <= given_hz <= MAX_RATE_HZ:
                raise UnsupportedAudio(
                    f"audio must have at most {_MAX_CHANNELS} channels and a rate of {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz", param=param
                )
            resampler = Resampler(given_hz, rate_hz)
            pcm = bytearray()
            samples = 0
            # By blocks, and not by the length in the header, which a broken or hostile file gets wrong. Each is brought to its
            # final form at once: a long file in floats at its own rate would take ten times the memory of the result.
            while len(block := file.read(_BLOCK_S * given_hz, dtype="float32", always_2d=True)):
                samples += len(block)
                if samples > max_s * given_hz:
                    raise AudioTooLong(f"audio must not be longer than {max_s:g} s", param=param)
                pcm += resampler.push(from_float(block.mean(axis=1)))
    except soundfile.LibsndfileError as error:
        raise UnsupportedAudio("this is no audio that can be read: WAV, FLAC, MP3 or Ogg (Opus, Vorbis)", param=param) from error
    return bytes(pcm + resampler.end())

"""Audio files of a conversation: what the user says is read from one, what the cluster answers is written to one."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.cli.output import CommandError, ExitCode

_RATE_HZ = 24_000
_MAX_S = 3600.0
"""A session's usual longest time."""


def read_recording(path: Path) -> bytes:
    """Any WAV, FLAC, MP3 or Ogg file as PCM at 24 kHz. Raises :class:`CommandError`."""
    from cluster.errors import OssatureError
    from cluster.speech.audio.files import decode

    try:
        pcm = decode(path.read_bytes(), max_s=_MAX_S)
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}", exit_code=ExitCode.USAGE) from error
    except OssatureError as error:
        raise CommandError(f"{path} can't be used: {error.message}", exit_code=ExitCode.USAGE) from error
    if not pcm:
        raise CommandError(f"{path} holds no audio", exit_code=ExitCode.USAGE)
    return pcm


class Recording:
    """A WAV file that is written while the conversation goes on."""

    def __init__(self, file: wave.Wave_write | None) -> None:
        self._file = file
        self.seconds = 0.0

    def write(self, pcm: bytes) -> None:
        self.seconds += len(pcm) / (2 * _RATE_HZ)
        if self._file is not None and pcm:
            self._file.writeframesraw(pcm)


@contextmanager
def new_recording(path: Path | None) -> Iterator[Recording]:
    """``path``: where to; ``None`` for nowhere. The file is whole also when the conversation breaks off.

    Raises :class:`CommandError`.
    """
    if path is None:
        yield Recording(None)
        return
    try:
        file = wave.open(str(path), "wb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror}", exit_code=ExitCode.USAGE) from error
    with file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE_HZ)
        yield Recording(file)

"""What can be wrong with speech, as callers see it. The rest is :mod:`cluster.errors`."""

from __future__ import annotations

from cluster.errors import InvalidRequest, OssatureError, UnsupportedMediaType


class VoiceNotFound(InvalidRequest):
    """No voice has this name."""

    default_code = "voice_not_found"


class TextTooLong(InvalidRequest):
    """More characters than may be spoken at once."""

    default_code = "string_above_max_length"


class AudioTooLong(InvalidRequest):
    """More audio than one utterance or one file may have."""

    default_code = "audio_too_long"


class UnsupportedAudio(UnsupportedMediaType):
    """The bytes are no audio that can be read, or the format none that can be written."""

    status = 400
    default_code = "unsupported_format"


class SpeechUnavailable(OssatureError):
    """The configured recognizer or synthesizer can't start here: a program, library or model is missing. For operators.

    The message names the package and the way to install it.
    """

    status = 503
    default_code = "speech_unavailable"


class SpeechFailed(OssatureError):
    """The recognizer or synthesizer broke under this utterance. Others are not touched, and the next one finds it restarted."""

    status = 500
    default_code = "speech_failed"

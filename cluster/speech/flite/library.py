"""Flite through ctypes. Not for threads: its voices are one object each, which carries speed and pitch. Used by the worker alone.

The structures follow ``cst_wave.h`` and ``cst_audio.h`` of flite 2.2.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

PACKAGE: Final = "libflite1"
RATE_HZ: Final = 16_000
#: Audio comes in blocks of at least this many samples: 50 ms.
_BLOCK_SAMPLES: Final = 800
_GO_ON: Final = 0
_STOP: Final = 1
_WORD_END: Final = b"daughtern.R:SylStructure.daughtern.daughtern.R:Segment.end"


class FliteMissing(Exception):
    """The library or a voice of it is not on this machine."""


class _Wave(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    ]


_OnBlock = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Wave), ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_void_p)


class _Streaming(ctypes.Structure):
    _fields_ = [
        ("min_buffsize", ctypes.c_int),
        ("asc", _OnBlock),
        ("userdata", ctypes.c_void_p),
        ("utt", ctypes.c_void_p),
        ("item", ctypes.c_void_p),
    ]


class _VoiceHead(ctypes.Structure):
    """The beginning of ``cst_voice``."""

    _fields_ = [("name", ctypes.c_void_p), ("features", ctypes.c_void_p)]


@dataclass(frozen=True, slots=True)
class Token:
    """A written word: what stands before it, itself, what stands behind it, and where its sound ends, in samples."""

    before: str
    name: str
    behind: str
    sample_end: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known before the first sample: the words in order, and where the silence before the first ends, in samples."""

    tokens: tuple[Token, ...]
    silence_end: int


#: Takes the plan once, then the samples as they are made; False stops the synthesis.
OnPlan = Callable[[Plan], None]
OnSamples = Callable[[bytes], bool]


class Flite:
    """The library and its loaded voices."""

    def __init__(self) -> None:
        """Raises:
        FliteMissing: the library is not installed.
        """
        self._flite = _load("libflite.so.1")
        _load("libflite_usenglish.so.1")
        _load("libflite_cmulex.so.1")
        self._declare()
        self._flite.flite_init()
        self._voices: dict[str, int] = {}
        # The library keeps a pointer to it, so it has to live as long.
        self._callback = _OnBlock(self._on_block)
        self._utterance: int = 0
        self._on_plan: OnPlan | None = None
        self._on_samples: OnSamples | None = None

    def load(self, name: str) -> None:
        """Make a voice (``slt``) ready.

        Raises:
            FliteMissing: it is not installed.
        """
        register = getattr(_load(f"libflite_cmu_us_{name}.so.1"), f"register_cmu_us_{name}")
        register.restype, register.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
        voice = register(None)
        info = self._flite.new_audio_streaming_info()
        info.contents.min_buffsize = _BLOCK_SAMPLES
        info.contents.asc = self._callback
        value = self._flite.audio_streaming_info_val(ctypes.cast(info, ctypes.c_void_p))
        self._flite.flite_feat_set(_features(voice), b"streaming_info", value)
        self._voices[name] = voice

    def speak(self, text: str, voice: str, *, pitch: float, length: float, on_plan: OnPlan, on_samples: OnSamples) -> None:
        """Synthesize ASCII text at 16 kHz. ``on_plan`` is called before the first samples, and not at all if there are none."""
        handle = self._voices[voice]
        # Both each time: the voice remembers them.
        self._flite.flite_feat_set_float(_features(handle), b"f0_shift", pitch)
        self._flite.flite_feat_set_float(_features(handle), b"duration_stretch", length)
        self._on_plan, self._on_samples = on_plan, on_samples
        self._utterance = self._flite.new_utterance()
        try:
            self._flite.utt_set_input_text(self._utterance, text.encode("ascii"))
            self._flite.utt_init(self._utterance, handle)
            self._flite.utt_synth(self._utterance)
        finally:
            self._flite.delete_utterance(self._utterance)
            self._utterance = 0

    def _on_block(self, wave: Any, start: int, size: int, last: int, info: Any) -> int:
        if self._on_plan is not None:
            self._on_plan(self._plan())
            self._on_plan = None
        samples = ctypes.string_at(ctypes.addressof(wave.contents.samples.contents) + 2 * start, 2 * size) if size else b""
        assert self._on_samples is not None
        return _GO_ON if self._on_samples(samples) else _STOP

    def _plan(self) -> Plan:
        tokens = []
        for item in self._items(b"Token"):
            end_s = self._flite.flite_ffeature_float(item, _WORD_END)
            before, name, behind = (self._string(item, key) for key in (b"prepunctuation", b"name", b"punc"))
            tokens.append(Token(before, name, behind, round(end_s * RATE_HZ)))
        first = next(self._items(b"Segment"), 0)
        silence_s = self._flite.flite_ffeature_float(first, b"end") if first and self._string(first, b"name") == "pau" else 0.0
        return Plan(tuple(tokens), round(silence_s * RATE_HZ))

    def _items(self, relation: bytes) -> Any:
        item = self._flite.relation_head(self._flite.utt_relation(self._utterance, relation))
        while item:
            yield item
            item = self._flite.item_next(item)

    def _string(self, item: int, key: bytes) -> str:
        found = self._flite.flite_ffeature_string(item, key) or b""
        # What a missing feature is called.
        return "" if found == b"0" and key != b"name" else found.decode("ascii", "replace")

    def _declare(self) -> None:
        pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float
        signatures: dict[str, tuple[Any, list[Any]]] = {
            "flite_init": (ctypes.c_int, []),
            "new_audio_streaming_info": (ctypes.POINTER(_Streaming), []),
            "audio_streaming_info_val": (pointer, [pointer]),
            "flite_feat_set": (None, [pointer, text, pointer]),
            "flite_feat_set_float": (None, [pointer, text, number]),
            "new_utterance": (pointer, []),
            "delete_utterance": (None, [pointer]),
            "utt_set_input_text": (ctypes.c_int, [pointer, text]),
            "utt_init": (pointer, [pointer, pointer]),
            "utt_synth": (pointer, [pointer]),
            "utt_relation": (pointer, [pointer, text]),
            "relation_head": (pointer, [pointer]),
            "item_next": (pointer, [pointer]),
            "flite_ffeature_string": (text, [pointer, text]),
            "flite_ffeature_float": (number, [pointer, text]),
        }
        for name, (result, arguments) in signatures.items():
            function = getattr(self._flite, name)
            function.restype, function.argtypes = result, arguments


def _features(voice: int) -> int | None:
    features: int | None = _VoiceHead.from_address(voice).features
    return features


def _load(name: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise FliteMissing(
            f"the default synthesizer needs flite: {error}; run scripts/services.py speech, or apt-get install {PACKAGE}"
        ) from error

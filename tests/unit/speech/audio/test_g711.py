from __future__ import annotations

import warnings

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop  # the reference; gone from Python 3.13, where this module's own tables stay

from cluster.errors import InvalidRequest
from cluster.speech.audio import g711

EVERY_SAMPLE = np.arange(-32768, 32768, dtype="<i2").tobytes()
EVERY_CODE = bytes(range(256))


def test_mulaw_encodes_all_samples_as_the_reference_does() -> None:
    assert g711.encode_mulaw(EVERY_SAMPLE) == audioop.lin2ulaw(EVERY_SAMPLE, 2)


def test_alaw_encodes_all_samples_as_the_reference_does() -> None:
    assert g711.encode_alaw(EVERY_SAMPLE) == audioop.lin2alaw(EVERY_SAMPLE, 2)


def test_mulaw_decodes_all_codes_as_the_reference_does() -> None:
    assert g711.decode_mulaw(EVERY_CODE) == audioop.ulaw2lin(EVERY_CODE, 2)


def test_alaw_decodes_all_codes_as_the_reference_does() -> None:
    assert g711.decode_alaw(EVERY_CODE) == audioop.alaw2lin(EVERY_CODE, 2)


def test_silence_and_full_scale_have_the_codes_of_the_recommendation() -> None:
    samples = np.array([0, 32767, -32768], dtype="<i2").tobytes()
    assert g711.encode_mulaw(samples) == bytes([0xFF, 0x80, 0x00])
    assert g711.encode_alaw(samples) == bytes([0xD5, 0xAA, 0x2A])


@pytest.mark.parametrize("encode", [g711.encode_mulaw, g711.encode_alaw])
def test_half_a_sample_is_refused(encode: object) -> None:
    assert callable(encode)
    with pytest.raises(InvalidRequest):
        encode(b"\x00\x00\x00")

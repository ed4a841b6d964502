"""espeak-ng: needs the program (``scripts/services.py speech``)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cluster.speech.contract import Synthesizer
from cluster.speech.errors import SpeechUnavailable
from cluster.speech.espeak.synthesizer import EspeakSynthesizer
from tests.integration.speech.synthesizer_conformance import SynthesizerConformance

pytestmark = pytest.mark.integration


class TestEspeak(SynthesizerConformance):
    @pytest.fixture
    async def synthesizer(self) -> AsyncIterator[Synthesizer]:
        synthesizer = EspeakSynthesizer()
        await synthesizer.start()
        yield synthesizer
        await synthesizer.stop()


async def test_a_missing_program_is_named_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SpeechUnavailable, match="apt-get install espeak-ng"):
        await EspeakSynthesizer().start()

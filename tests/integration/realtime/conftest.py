"""A cluster whose edges speak and listen with the embedded speech stack; its model is scripted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from cluster.realtime.driver.local_ears import speech_stack
from cluster.realtime.driver.speech import SpeechStack
from cluster.speech.flite.synthesizer import FliteSynthesizer
from cluster.speech.silero.model import SileroModel, SileroVad
from cluster.speech.sphinx.recognizer import SphinxRecognizer
from tests.unit.realtime.fake_cluster import Cluster


@dataclass
class SpeakingCluster(Cluster):
    stack: SpeechStack | None = None

    def speech(self) -> SpeechStack:
        assert self.stack is not None
        return self.stack


@pytest.fixture
async def cluster() -> AsyncIterator[SpeakingCluster]:
    recognizer, synthesizer = SphinxRecognizer(workers=1), FliteSynthesizer(workers=1)
    async with AsyncExitStack() as stack:
        for part in (recognizer, synthesizer):
            await part.start()
            stack.push_async_callback(part.stop)
        model = SileroModel()
        served = SpeakingCluster(stack=speech_stack(recognizer, synthesizer, lambda: SileroVad(model)))
        await stack.enter_async_context(served.served())
        yield served

"""Recognizer and synthesizer behind the wire of the speech deployment, replica and caller in one process.

They must do what the contracts ask, as if there were no wire: the same conformance suites run against them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
import pytest_asyncio

from cluster.config.settings.speech import SpeechSettings
from cluster.errors import InvalidRequest, OssatureError, Overloaded
from cluster.speech import wire
from cluster.speech.contract import Recognizer, Synthesizer
from cluster.speech.deployment import SpeechReplica
from cluster.speech.errors import SpeechFailed, VoiceNotFound
from cluster.speech.remote import Catalogue, RemoteRecognizer, RemoteSynthesizer
from cluster.speech.serve_ticket import SpeechTicket
from tests.integration.speech.synthesizer_conformance import SynthesizerConformance
from tests.unit.speech.recognizer_conformance import RecognizerConformance, fed, recognized
from tests.unit.speech.sounds import STRAWBERRIES, strawberries

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


class LocalCalls:
    """Calls a replica of this process, as Serve would."""

    def __init__(self, replica: SpeechReplica) -> None:
        self.replica = replica

    async def stream(self, method: str, *arguments: Any, ticket: SpeechTicket) -> AsyncGenerator[bytes, None]:
        async with aclosing(getattr(self.replica, method)(*arguments, ticket=ticket)) as items:
            async for item in items:
                yield item

    async def call(self, method: str, *arguments: Any, ticket: SpeechTicket) -> bytes:
        answer: bytes = await getattr(self.replica, method)(*arguments, ticket=ticket)
        return answer


class Book:
    """Writes down what a replica says that it did."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, float]] = []
        self.said: list[tuple[float, float]] = []

    def recognized(self, audio_s: float, work_s: float) -> None:
        self.heard.append((audio_s, work_s))

    def spoken(self, audio_s: float, work_s: float) -> None:
        self.said.append((audio_s, work_s))


@pytest.fixture(scope="module")
def book() -> Book:
    return Book()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def replica(book: Book) -> AsyncIterator[SpeechReplica]:
    settings = SpeechSettings(recognizer_workers=1, worker_wait_s=60, utterance_idle_timeout_s=1)
    replica = SpeechReplica(settings, observer=book)
    await replica.start()
    yield replica
    await replica.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def catalogue(replica: SpeechReplica) -> Catalogue:
    catalogue = Catalogue()
    assert not catalogue.known
    assert not catalogue.voices
    await catalogue.learn(LocalCalls(replica))
    return catalogue


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def listener(replica: SpeechReplica, catalogue: Catalogue) -> RemoteRecognizer:
    return RemoteRecognizer(LocalCalls(replica), catalogue, max_audio_s=120)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def speaker(replica: SpeechReplica, catalogue: Catalogue) -> RemoteSynthesizer:
    return RemoteSynthesizer(LocalCalls(replica), catalogue, max_chars=4096)


class TestRemoteRecognizer(RecognizerConformance):
    @pytest.fixture
    def recognizer(self, listener: RemoteRecognizer) -> Recognizer:
        return listener


class TestRemoteSynthesizer(SynthesizerConformance):
    @pytest.fixture
    def synthesizer(self, speaker: RemoteSynthesizer) -> Synthesizer:
        return speaker


async def test_what_is_said_is_understood_through_the_wire(listener: RemoteRecognizer) -> None:
    transcript = await recognized(listener, strawberries())
    assert transcript.text == STRAWBERRIES
    assert transcript.words[0].end_ms > 0


async def test_a_replica_tells_how_long_it_worked(listener: RemoteRecognizer, speaker: RemoteSynthesizer, book: Book) -> None:
    book.heard.clear()
    book.said.clear()
    transcript = await recognized(listener, strawberries())
    assert [audio_s for audio_s, _ in book.heard] == [transcript.audio_ms / 1000]
    assert 0 < book.heard[0][1] == transcript.work_s
    made = [chunk.pcm async for chunk in speaker.speak("Four hundred.", voice="alloy")]
    ((audio_s, work_s),) = book.said
    assert audio_s == sum(map(len, made)) / 48_000
    assert work_s > 0


async def test_an_utterance_left_alone_is_dropped_and_its_decoder_freed(listener: RemoteRecognizer) -> None:
    left = await fed(listener.open(), strawberries())
    await left.settle()
    await asyncio.sleep(1.5)
    assert (await recognized(listener, strawberries())).text == STRAWBERRIES
    await fed(left, strawberries())
    with pytest.raises(SpeechFailed) as lost:
        await left.finish()
    assert lost.value.code == "utterance_lost"


async def test_another_replica_says_that_it_does_not_know_the_utterance(replica: SpeechReplica) -> None:
    for answer in (await replica.feed("utt_x", b""), await replica.settle("utt_x"), await replica.finish("utt_x")):
        with pytest.raises(SpeechFailed):
            wire.decoded(answer)


async def test_a_replica_refuses_what_a_caller_should_have(replica: SpeechReplica) -> None:
    """The caller checks first; a replica does not rely on it."""
    for items, error in (
        (replica.speak("Hello.", "nobody", 1.0), VoiceNotFound),
        (replica.speak("Hello.", "alloy", 9.0), InvalidRequest),
        (replica.listen("utt_y", 24_000, "tlh", None, True), InvalidRequest),
        (replica.listen("utt_z", 1, None, None, True), InvalidRequest),
    ):
        with pytest.raises(error):
            wire.decoded(await anext(items))
        await items.aclose()


async def test_a_replica_that_has_not_started_is_not_healthy() -> None:
    with pytest.raises(OssatureError):
        await SpeechReplica(SpeechSettings()).check_health()


@pytest.mark.parametrize(
    "error",
    [
        VoiceNotFound("no", param="voice"),
        InvalidRequest("no", param="speed", code="x"),
        Overloaded("later", retry_after_s=2.5),
        SpeechFailed("broke"),
    ],
)
async def test_an_error_is_the_same_on_the_other_side(error: OssatureError) -> None:
    with pytest.raises(type(error)) as raised:
        wire.decoded(wire.encoded(wire.fault_of(error)))
    assert raised.value.body() == error.body()
    assert raised.value.retry_after_s == error.retry_after_s

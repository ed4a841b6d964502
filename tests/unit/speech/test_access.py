"""What a gateway knows of the speech deployment, and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from cluster.config.settings.speech import SpeechSettings
from cluster.edges import speech_access
from cluster.edges.speech_access import SpeechAccess
from cluster.errors import Overloaded
from cluster.speech import wire
from cluster.speech.contract import VoiceInfo
from cluster.speech.deployment import SpeechReplica
from cluster.speech.errors import SpeechUnavailable
from cluster.speech.serve_ticket import SpeechTicket
from tests.unit.realtime.fake_cluster import FakeRecognizer, FakeSynthesizer


class FakeCalls:
    """Fails ``failures`` times, then says what it can do."""

    def __init__(self, voices: tuple[str, ...] = ("alloy", "echo"), failures: int = 0) -> None:
        self.voices = [VoiceInfo(name, "a voice", "en") for name in voices]
        self.failures = failures

    async def stream(self, method: str, *arguments: Any, ticket: SpeechTicket) -> AsyncGenerator[bytes, None]:
        raise NotImplementedError
        yield b""

    async def call(self, method: str, *arguments: Any, ticket: SpeechTicket) -> bytes:
        assert method == "abilities"
        if self.failures:
            self.failures -= 1
            raise Overloaded("no speech replica is free")
        return wire.encoded(wire.abilities(self.voices, ("en",)))


@pytest.fixture
async def opened() -> AsyncIterator[list[SpeechAccess]]:
    accesses: list[SpeechAccess] = []
    yield accesses
    for access in accesses:
        await access.close()


async def known(access: SpeechAccess) -> None:
    await asyncio.wait_for(access.learning, 5)
    assert access.catalogue.known


async def test_the_voices_are_those_of_the_replica_the_default_first(opened: list[SpeechAccess]) -> None:
    opened.append(await SpeechAccess.opened(SpeechSettings(default_voice="echo"), FakeCalls()))
    assert not opened[0].stack.abilities(None).synthesis
    await known(opened[0])
    abilities = opened[0].stack.abilities(4096)
    assert abilities.voices == ("echo", "alloy")
    assert abilities.languages == ("en",)
    assert abilities.recognition
    assert abilities.synthesis


async def test_a_replica_that_is_late_is_asked_again(opened: list[SpeechAccess], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_access, "_RETRY_S", 0.01)
    opened.append(await SpeechAccess.opened(SpeechSettings(), FakeCalls(failures=3)))
    await known(opened[0])


async def test_a_replica_without_voices_still_listens(opened: list[SpeechAccess]) -> None:
    opened.append(await SpeechAccess.opened(SpeechSettings(), FakeCalls(voices=())))
    await known(opened[0])
    abilities = opened[0].stack.abilities(None)
    assert abilities.recognition
    assert not abilities.synthesis


async def test_a_default_voice_that_nobody_has_is_told_and_replaced(
    opened: list[SpeechAccess], caplog: pytest.LogCaptureFixture
) -> None:
    opened.append(await SpeechAccess.opened(SpeechSettings(default_voice="nobody"), FakeCalls()))
    await known(opened[0])
    assert opened[0].stack.abilities(None).voices[0] == "alloy"
    assert "'nobody'" in caplog.text


class FakeHostedRecognizer(FakeRecognizer):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def check_health(self) -> None: ...


class FakeMissingVoices(FakeSynthesizer):
    async def start(self) -> None:
        raise SpeechUnavailable("libflite1 is not installed")

    async def stop(self) -> None: ...

    async def check_health(self) -> None: ...


async def test_a_replica_where_any_voice_would_do_starts_without_one() -> None:
    replica = SpeechReplica(SpeechSettings(), recognizer=FakeHostedRecognizer(), synthesizer=FakeMissingVoices())
    await replica.start()
    await replica.check_health()
    abilities = wire.decoded(await replica.abilities())
    assert isinstance(abilities, wire.Abilities)
    assert abilities.voices == []
    with pytest.raises(SpeechUnavailable, match="no synthesizer"):
        wire.decoded(await anext(replica.speak("Hello.", "alloy", 1.0)))
    await replica.stop()


async def test_a_replica_that_must_have_flite_does_not_start_without_it() -> None:
    settings = SpeechSettings(synthesizer="flite")
    replica = SpeechReplica(settings, recognizer=FakeHostedRecognizer(), synthesizer=FakeMissingVoices())
    with pytest.raises(SpeechUnavailable, match="libflite1"):
        await replica.start()

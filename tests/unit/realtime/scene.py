"""A session played by hand: what goes in is said by a test, what comes out is kept and held against OpenAI's schema."""

from __future__ import annotations

import base64
import itertools
from collections import Counter
from typing import Any, TypeVar

import msgspec

from cluster.inference.usage import Usage
from cluster.realtime.protocol import decoding
from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.protocol.server_events import encode, event_type
from cluster.realtime.session import actions as act
from cluster.realtime.session.configuration import SessionConfig
from cluster.realtime.session.inputs import (
    EventInvalid,
    GenerationEnded,
    RecognitionFinished,
    RecognitionSettled,
    SpeechEnded,
    SpeechMade,
    TextGenerated,
    Tick,
    ToolCallGenerated,
    Turn,
)
from cluster.realtime.session.limits import Abilities, Behaviour, SessionLimits
from cluster.realtime.session.machine import Input, SessionMachine
from cluster.speech.contract import SpokenChunk, TextMark, Transcript, TurnEvent
from tests.openai_schema import SchemaOracle

ABILITIES = Abilities(recognition=True, synthesis=True, voices=("slt", "rms"), languages=("en",), context_tokens=8192)
USAGE = Usage(prompt_tokens=2000, completion_tokens=7, cached_tokens=1920, reasoning_tokens=0)

_Action = TypeVar("_Action", bound=act.Action)


def pcm(ms: int) -> bytes:
    return b"\x01\x00" * (24 * ms)


class Scene:
    """``now``: the time that inputs are given at; tests move it on."""

    def __init__(
        self,
        *,
        abilities: Abilities = ABILITIES,
        behaviour: Behaviour | None = None,
        limits: SessionLimits | None = None,
        transcription: bool = False,
    ) -> None:
        self.now = 100.0
        self.usage = USAGE
        self.counter = itertools.count()
        self.oracle = SchemaOracle.load()
        behaviour = behaviour if behaviour is not None else Behaviour()
        self.machine = SessionMachine(
            "sess_test",
            SessionConfig.initial("demo", abilities, behaviour, transcription=transcription),
            lambda prefix: f"{prefix}_{next(self.counter)}",
            now=self.now,
            expires_at=1_800_000_000,
            limits=limits,
            behaviour=behaviour,
            abilities=abilities,
        )
        self.events: list[dict[str, Any]] = []
        self.actions: list[act.Action] = []
        self._keep(self.machine.start(self.now))

    # --- what goes in -----------------------------------------------------------------------------------------------------

    def put(self, given: Input) -> list[act.Action]:
        return self._keep(self.machine.handle(given, self.now))

    def client(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """A client's event, by way of the decoder. Returns the events that it caused."""
        before = len(self.events)
        frame = msgspec.json.encode({"type": kind, **fields})
        try:
            given: Input = decoding.decode(frame)
        except EventRefused as refused:
            given = EventInvalid(refused)
        self.put(given)
        return self.events[before:]

    def say(self, ms: int) -> None:
        for _ in range(ms // 100):
            self.client("input_audio_buffer.append", audio=base64.b64encode(pcm(100)).decode())

    def turn(self, event: TurnEvent) -> list[act.Action]:
        return self.put(Turn(event))

    def tick(self) -> list[act.Action]:
        return self.put(Tick())

    def text_item(self, text: str, **fields: Any) -> list[dict[str, Any]]:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        return self.client("conversation.item.create", item=item, **fields)

    # --- work -------------------------------------------------------------------------------------------------------------

    def recognized(self, text: str) -> None:
        """The recognition that was to be finished last is."""
        recognition = self.last(act.FinishRecognition).recognition_id
        self.put(RecognitionFinished(recognition, Transcript(text, "en", 1000)))

    def settled(self, text: str) -> None:
        recognition = self.last(act.SettleRecognition).recognition_id
        self.put(RecognitionSettled(recognition, Transcript(text, "en", 1000)))

    def write(self, text: str, generation_id: str | None = None) -> None:
        self.put(TextGenerated(generation_id or self.last(act.StartGeneration).generation_id, text))

    def call(self, index: int, call_id: str | None, name: str | None, arguments: str) -> None:
        self.put(ToolCallGenerated(self.last(act.StartGeneration).generation_id, index, call_id, name, arguments))

    def written(self, finish_reason: str = "stop", generation_id: str | None = None) -> None:
        self.put(GenerationEnded(generation_id or self.last(act.StartGeneration).generation_id, finish_reason, self.usage))

    def speak(self, *, ms_per_word: int = 200) -> str:
        """Say the clause that was begun last, one chunk a word, and end it. Returns its text."""
        started = self.last(act.StartSpeech)
        at, sample = 0, 0
        for word in started.text.split():
            at = started.text.index(word, at) + len(word)
            sample += 24 * ms_per_word
            self.put(SpeechMade(started.synthesis_id, SpokenChunk(pcm(ms_per_word), (TextMark(at, sample),))))
        self.put(SpeechMade(started.synthesis_id, SpokenChunk(b"", (TextMark(len(started.text), sample),))))
        self.put(SpeechEnded(started.synthesis_id))
        return started.text

    def answer(self, text: str, *, finish_reason: str = "stop") -> None:
        """The model writes, and all of it is spoken."""
        self.write(text)
        self.written(finish_reason)
        spoken = 0
        while spoken < (count := self.count(act.StartSpeech)) and count:
            spoken = count
            self.speak()

    # --- what came out ----------------------------------------------------------------------------------------------------

    def last(self, kind: type[_Action]) -> _Action:
        return next(action for action in reversed(self.actions) if isinstance(action, kind))

    def count(self, kind: type[act.Action]) -> int:
        return sum(isinstance(action, kind) for action in self.actions)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    def forget(self) -> None:
        """The events so far; actions stay."""
        self.events.clear()

    def messages(self) -> list[dict[str, Any]]:
        """Of the request that was made last."""
        messages: list[dict[str, Any]] = msgspec.json.decode(self.last(act.StartGeneration).request.engine_body())["messages"]
        return messages

    def histogram(self) -> Counter[str]:
        return Counter(self.kinds())

    def _keep(self, actions: list[act.Action]) -> list[act.Action]:
        for action in actions:
            self.actions.append(action)
            if isinstance(action, act.Send):
                event = msgspec.json.decode(encode(action.event))
                assert not schema_problems(self.oracle, event), (event, schema_problems(self.oracle, event))
                assert event["type"] == event_type(action.event)
                self.events.append(event)
        return actions


_COMPONENTS = {
    "response.output_text": "ResponseText",
    "response.output_audio_transcript": "ResponseAudioTranscript",
    "response.output_audio": "ResponseAudio",
}


def component(kind: str) -> str:
    """The schema's name for an event."""
    for prefix, name in _COMPONENTS.items():
        if kind.startswith(prefix + "."):
            return "RealtimeServerEvent" + name + kind.removeprefix(prefix + ".").capitalize()
    words = kind.replace(".", "_").split("_")
    return "RealtimeServerEvent" + "".join("MCP" if word == "mcp" else word.capitalize() for word in words)


def schema_problems(oracle: SchemaOracle, event: dict[str, Any]) -> list[str]:
    """What contradicts the event's own component of the schema."""
    return oracle.problems(component(event["type"]), event)

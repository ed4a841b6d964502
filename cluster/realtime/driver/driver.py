"""Carries out what a session wants done, on the event loop that its connection lives on.

The session itself never waits. Whatever happens (an event of the client, a result of work, a tick) is put to it in the very turn of
the loop in which it happens, and its actions are begun in the same turn: so an interruption cancels generation and speech before
anything else of the answer can be sent. What takes time runs in tasks, one for each generation, clause and utterance.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from cluster.errors import OssatureError
from cluster.identity.principal import Principal
from cluster.inference.service import Call, Inference
from cluster.realtime.driver.generating import generate
from cluster.realtime.driver.listening import Listening, item_as_pcm
from cluster.realtime.driver.observer import SessionObserver
from cluster.realtime.driver.outbox import Outbox
from cluster.realtime.driver.recognizing import Utterance
from cluster.realtime.driver.speaking import Mouth, speak
from cluster.realtime.driver.speech import SpeechStack
from cluster.realtime.protocol import client_events as client
from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.protocol.items import Message
from cluster.realtime.protocol.server_events import ServerEvent
from cluster.realtime.session import actions as act
from cluster.realtime.session.inputs import (
    EventInvalid,
    GenerationFailed,
    RecognitionFailed,
    SpeechMakingFailed,
    Tick,
    Turn,
    WorkResult,
)
from cluster.realtime.session.machine import Input, SessionMachine

_log = logging.getLogger(__name__)

LATE_S = 0.04
INTERNAL_ERROR = 1011
"""WebSocket's close code for a defect."""
Work = Callable[[], Coroutine[Any, Any, None]]

_INTERNAL = ("internal_error", "The server had an error while it worked on this.")
_TOO_LATE = ("deadline_exceeded", "It took longer than it may.")


class ConnectionLost(Exception):
    """The client is gone, or takes nothing any more."""


class Connection(Protocol):
    """One client, whatever it is connected by. ``receive`` and ``send`` are each called by one task at a time."""

    async def receive(self) -> client.ClientEvent | EventInvalid:
        """The next event. Raises :class:`ConnectionLost`."""
        ...

    async def send(self, event: ServerEvent) -> None:
        """Raises :class:`ConnectionLost`."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """End it. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all sessions of a gateway share. ``high_water_bytes``: events that may wait for a slow client before work pauses."""

    inference: Inference
    speech: SpeechStack
    observer: SessionObserver
    high_water_bytes: int = 1 << 20


class SessionDriver:
    """Runs one session on one connection. ``new_id``: as the machine's."""

    def __init__(
        self,
        machine: SessionMachine,
        connection: Connection,
        principal: Principal,
        call: Call,
        surroundings: Surroundings,
        new_id: Callable[[str], str],
    ) -> None:
        self._machine = machine
        self._connection = connection
        self._principal = principal
        self._call = call
        self._around = surroundings
        self._outbox = Outbox(surroundings.high_water_bytes)
        self._listening = Listening(surroundings.speech)
        self._mouth = Mouth(new_id)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._utterances: dict[str, Utterance] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._wakeup_s = math.inf
        self._ending: act.Close | None = None

    async def run(self) -> None:
        """Until the client leaves or the session ends. Cancelling it ends the session as well."""
        began, kind = time.monotonic(), self._machine.config.kind
        self._around.observer.session_started(kind)
        try:
            self._do(self._machine.start(time.monotonic()))
            self._set_timer()
            async with asyncio.TaskGroup() as group:
                writing = group.create_task(self._write(), name="realtime-write")
                reading = group.create_task(self._read(), name="realtime-read")
                writing.add_done_callback(lambda done: reading.cancel())
        except* ConnectionLost:
            _log.debug("The client went away")
        finally:
            self._do(self._machine.end())
            await self._stop()
            self._around.observer.session_ended(kind, time.monotonic() - began)

    # --- the connection ---------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            await self._outbox.any_room()
            event = await self._connection.receive()
            # What has arrived is given without waiting: others' turns come in between, however much one client sends.
            await asyncio.sleep(0)
            received = time.monotonic()
            try:
                match event:
                    case client.InputAudioAppend() if self._machine.listens:
                        await self._hear(event)
                        if time.monotonic() - received > LATE_S:
                            self._around.observer.frame_late()
                    case client.ItemCreate(item=Message() as item):
                        item = item_as_pcm(item, self._machine.config.input.format)
                        self._put(msgspec.structs.replace(event, item=item))
                    case _:
                        self._put(event)
            except OssatureError as error:
                self._put(EventInvalid(EventRefused.of(error, event_id=getattr(event, "event_id", None))))

    async def _hear(self, event: client.InputAudioAppend) -> None:
        for index, pcm in enumerate(self._listening.slices(event.audio, self._machine.config.input.format)):
            if index:
                await asyncio.sleep(0)
            if not pcm:
                continue
            self._put(client.InputAudioAppend(event_id=event.event_id, audio=pcm))
            for turn in self._listening.turns(pcm):
                self._put(Turn(turn))

    async def _write(self) -> None:
        while (event := await self._outbox.take()) is not None:
            await self._connection.send(event)
        if self._ending is not None:
            await self._connection.close(self._ending.code, self._ending.reason)

    # --- the session ------------------------------------------------------------------------------------------------------

    def _put(self, given: Input) -> None:
        try:
            self._do(self._machine.handle(given, time.monotonic()))
        except Exception:  # noqa: BLE001 - a defect: its session can't be trusted any more, others can
            _log.exception("A realtime session failed")
            self._do([*self._machine.end(), act.Close(INTERNAL_ERROR, "internal error")])
        self._set_timer()

    def _set_timer(self) -> None:
        wakeup_s = math.inf if self._machine.closed else self._machine.wakeup_s
        if wakeup_s == self._wakeup_s:
            return
        self._wakeup_s = wakeup_s
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if wakeup_s < math.inf:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, wakeup_s - time.monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer, self._wakeup_s = None, math.inf
        self._put(Tick())

    def _do(self, actions: list[act.Action]) -> None:
        for action in actions:
            self._do_one(action)

    def _do_one(self, action: act.Action) -> None:
        match action:
            case act.Send():
                for event in self._mouth.coded(action.event, action.format):
                    self._outbox.put(event)
            case act.DropUnsentAudio():
                self._mouth.drop(action.response_id)
                self._outbox.drop_audio(action.response_id)
            case act.FeedRecognition():
                if (utterance := self._utterances.get(action.recognition_id)) is not None:
                    utterance.feed(action.pcm)
            case act.SettleRecognition():
                if (utterance := self._utterances.get(action.recognition_id)) is not None:
                    utterance.settle()
            case act.FinishRecognition():
                if (utterance := self._utterances.get(action.recognition_id)) is not None:
                    utterance.finish()
            case act.ConfigureTurns():
                self._listening.configure(action.detection, action.noise_reduction, self._machine.heard_ms)
            case act.RestartTurns():
                self._listening.restart()
            case act.JudgeTurn():
                self._listening.judge(action.finished)
            case act.Close():
                self._ending = action
                self._outbox.close()
            case act.StageTimed():
                self._around.observer.stage_timed(action.stage, action.seconds)
            case act.Occurred():
                self._around.observer.occurred(action.what)
            case _:
                self._work(action)

    # --- work -------------------------------------------------------------------------------------------------------------

    def _work(self, action: act.Action) -> None:
        speech = self._around.speech
        match action:
            case act.StartGeneration(generation_id=key):
                self._begin(
                    key,
                    lambda: generate(self._around.inference, self._principal, self._call, action, self._outbox.room, self._put),
                    lambda kind, code, text: GenerationFailed(key, kind, code, text),
                )
            case act.StartSpeech(synthesis_id=key):
                voice = speech.synthesizer
                assert voice is not None
                self._begin(
                    key,
                    lambda: speak(voice, action, speech.timeout_s, self._outbox.room, self._put),
                    lambda kind, code, text: SpeechMakingFailed(key, code, text),
                )
            case act.StartRecognition(recognition_id=key):
                assert speech.recognizer is not None
                utterance = Utterance(speech.recognizer, action, speech.timeout_s, self._put)
                self._utterances[key] = utterance
                self._begin(key, utterance.run, lambda kind, code, text: RecognitionFailed(key, code, text))
            case (
                act.CancelGeneration(generation_id=key)
                | act.CancelSpeech(synthesis_id=key)
                | act.DropRecognition(recognition_id=key)
            ):
                if (task := self._tasks.get(key)) is not None:
                    task.cancel()

    def _begin(self, key: str, work: Work, failed: Callable[[str, str, str], WorkResult]) -> None:
        """``failed``: makes the result of work that could not be done from an error's type, code and message."""
        task = asyncio.create_task(self._guarded(work, failed), name=f"realtime-{key}")
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._ended(key))

    def _ended(self, key: str) -> None:
        del self._tasks[key]
        self._utterances.pop(key, None)

    async def _guarded(self, work: Work, failed: Callable[[str, str, str], WorkResult]) -> None:
        try:
            await work()
        except OssatureError as error:
            self._put(failed(error.type, error.code or "invalid_value", error.message))
        except TimeoutError:
            self._put(failed("server_error", *_TOO_LATE))
        except Exception:  # noqa: BLE001 - a defect of one piece of work is not the session's end
            _log.exception("Work of a realtime session failed")
            self._put(failed("server_error", *_INTERNAL))

    async def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._outbox.close()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

"""Sessions of one gateway: who may have one, with which model and settings, and how many there are."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.config.settings.realtime import RealtimeSettings
from cluster.errors import InvalidRequest, Overloaded
from cluster.identity.principal import Principal
from cluster.inference.service import Call, Inference
from cluster.realtime.driver.driver import Connection, SessionDriver, Surroundings
from cluster.realtime.driver.observer import SessionObserver
from cluster.realtime.driver.speech import SpeechStack
from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.protocol.server_events import RateLimit
from cluster.realtime.protocol.session_objects import RealtimeSessionUpdate, SessionUpdateBody, TranscriptionSessionUpdate
from cluster.realtime.protocol.structs import UNSET
from cluster.realtime.session.configuration import SessionConfig
from cluster.realtime.session.limits import Abilities, Behaviour, SessionLimits
from cluster.realtime.session.machine import SessionMachine

OPENAI_REALTIME_MODELS = ("gpt-realtime", "gpt-4o-realtime", "gpt-4o-mini-realtime")
"""Beginnings of the names that OpenAI's clients ask for by themselves."""

RateLimits = Callable[[Principal], list[RateLimit]]


def new_id(prefix: str) -> str:
    """``item`` → ``item_`` and 96 random bits."""
    return f"{prefix}_{secrets.token_hex(12)}"


class Sessions:
    """``rate_limits``: what a caller may still do, to tell it at the start of each response. ``hearing_models`` take audio."""

    def __init__(
        self,
        inference: Inference,
        speech: SpeechStack,
        settings: RealtimeSettings,
        observer: SessionObserver,
        rate_limits: RateLimits,
        hearing_models: Collection[str] = (),
    ) -> None:
        self._hearing_models = hearing_models
        self.settings = settings
        self._inference = inference
        self._speech = speech
        self._around = Surroundings(inference, speech, observer, settings.max_unsent_bytes)
        self._rate_limits = rate_limits
        self._places = ConcurrencyLimit(settings.max_sessions_per_organization)
        self._open = 0

    @contextmanager
    def place(self, principal: Principal) -> Iterator[None]:
        """A session's place on this gateway. Raises :class:`Overloaded`, :class:`~cluster.errors.RateLimited`."""
        if self._open >= self.settings.max_sessions:
            raise Overloaded("This gateway has as many realtime sessions as it may have. Please retry later.")
        with self._places.acquire(principal.org_id):
            self._open += 1
            try:
                yield
            finally:
                self._open -= 1

    def configured(
        self, principal: Principal, model: str | None, change: SessionUpdateBody | None, *, transcription: bool = False
    ) -> SessionConfig:
        """The settings that a session begins with. ``model``: as asked for beside ``change``.

        Raises :class:`InvalidRequest`, :class:`~cluster.errors.ModelNotFound`.
        """
        if isinstance(change, TranscriptionSessionUpdate):
            transcription = True
        if isinstance(change, RealtimeSessionUpdate) and change.model is not UNSET:
            model = change.model
        name = model or "" if transcription else self._model(principal, model)
        abilities, behaviour = self.abilities(principal, name), self._behaviour(name)
        config = SessionConfig.initial(name, abilities, behaviour, transcription=transcription)
        if change is None:
            return config
        try:
            return config.updated(change, abilities, behaviour)
        except EventRefused as refused:
            raise InvalidRequest(refused.message, param=refused.param, code=refused.code) from None

    def abilities(self, principal: Principal, model: str) -> Abilities:
        """``model`` may be empty, for a session that asks none."""
        card = self._inference.model(principal, model) if model else None
        return self._speech.abilities(card.max_model_len if card is not None else None)

    async def run(self, principal: Principal, config: SessionConfig, connection: Connection, request_id: str) -> None:
        """One session, until it ends. Raises nothing for a client that leaves."""
        settings, now = self.settings, time.monotonic()
        machine = SessionMachine(
            new_id("sess"),
            config,
            new_id,
            now=now,
            expires_at=int(time.time() + settings.max_session_s),
            limits=SessionLimits(
                max_duration_s=settings.max_session_s,
                max_items=settings.max_items,
                max_input_bytes=settings.max_input_audio_bytes,
                max_kept_audio_bytes=settings.max_kept_audio_bytes,
                max_text_chars=settings.max_text_chars,
                max_responses=settings.max_responses,
            ),
            behaviour=self._behaviour(config.model),
            abilities=self._speech.abilities(self._context_tokens(principal, config.model)),
            rate_limits=lambda: self._rate_limits(principal),
        )
        call = Call(edge="realtime", trace_id=request_id)
        await SessionDriver(machine, connection, principal, call, self._around, new_id).run()

    def _model(self, principal: Principal, asked: str | None) -> str:
        default = self.settings.default_model
        if default is not None and (asked is None or asked.startswith(OPENAI_REALTIME_MODELS)):
            served = {card.id for card in self._inference.models(principal)}
            if asked not in served:
                return default
        if asked is None:
            raise InvalidRequest("Missing required parameter: 'model'.", param="model", code="missing_required_parameter")
        return asked

    def _context_tokens(self, principal: Principal, model: str) -> int | None:
        return self._inference.model(principal, model).max_model_len if model else None

    def _behaviour(self, model: str) -> Behaviour:
        settings = self.settings
        return Behaviour(
            early_recognition=settings.early_recognition,
            early_generation=settings.early_generation,
            heard_by_clock=settings.heard_by_clock,
            model_hears=model in self._hearing_models,
            instructions=settings.instructions,
            reasoning_effort=settings.reasoning_effort,
            temperature=settings.temperature,
        )

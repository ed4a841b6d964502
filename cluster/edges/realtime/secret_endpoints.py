"""``POST /v1/realtime/client_secrets``, and the two endpoints that the beta dialect has in its place."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from cluster.edges.http.exchange import Exchange
from cluster.edges.realtime.client_secrets import Grant, SecretSealer
from cluster.edges.realtime.sessions import Sessions, new_id
from cluster.errors import InvalidRequest
from cluster.inference.requests import json_body
from cluster.inference.requests.limits import RequestLimits
from cluster.realtime.protocol.beta import incoming, outgoing
from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.protocol.session_objects import RealtimeSessionUpdate, SessionUpdateBody
from cluster.realtime.protocol.structs import UNSET, Received, UnsetType
from cluster.realtime.protocol.validation import refusal

BETA_TTL_S = 60
_MAX_BODY_BYTES = 256 << 10
_BODY_TIMEOUT_S = 30.0


class ExpiresAfter(Received, frozen=True, kw_only=True):
    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Meta(ge=10, le=7200)] = 600


class CreateClientSecret(Received, frozen=True, kw_only=True):
    expires_after: ExpiresAfter | UnsetType | None = UNSET
    session: SessionUpdateBody | UnsetType = UNSET


class SecretEndpoints:
    def __init__(self, sessions: Sessions, sealer: SecretSealer) -> None:
        self._sessions = sessions
        self._sealer = sealer

    async def client_secrets(self, exchange: Exchange) -> None:
        """``{"value", "expires_at", "session"}``."""
        asked = _converted(await _body(exchange))
        ttl_s = asked.expires_after.seconds if isinstance(asked.expires_after, ExpiresAfter) else ExpiresAfter().seconds
        session: SessionUpdateBody = asked.session if asked.session is not UNSET else RealtimeSessionUpdate()
        value, expires_at, shown = self._made(exchange, session, ttl_s)
        await exchange.respond_object({"value": value, "expires_at": expires_at, "session": shown})

    async def beta_session(self, exchange: Exchange) -> None:
        """The flat session with ``client_secret``: ``{"value", "expires_at"}``."""
        await self._beta(exchange, transcription=False)

    async def beta_transcription_session(self, exchange: Exchange) -> None:
        await self._beta(exchange, transcription=True)

    async def _beta(self, exchange: Exchange, *, transcription: bool) -> None:
        body = await _body(exchange)
        body.pop("client_secret", None)
        try:
            settings = incoming.session_settings(body, transcription=transcription)
        except EventRefused as refused:
            raise InvalidRequest(refused.message, param=refused.param, code=refused.code) from None
        asked = _converted({"session": settings})
        assert asked.session is not UNSET
        value, expires_at, shown = self._made(exchange, asked.session, BETA_TTL_S)
        await exchange.respond_object({**outgoing.session(shown), "client_secret": {"value": value, "expires_at": expires_at}})

    def _made(self, exchange: Exchange, session: SessionUpdateBody, ttl_s: int) -> tuple[str, int, dict[str, Any]]:
        """The secret, when it expires (Unix seconds), and the session that it will start."""
        caller = exchange.caller
        config = self._sessions.configured(caller, None, session)
        expires_at = int(time.time()) + ttl_s
        value = self._sealer.seal(Grant(key_id=caller.key_id, expires_at=expires_at, session=session))
        shown: dict[str, Any] = msgspec.to_builtins(config.shown(new_id("sess"), expires_at))
        return value, expires_at, shown


async def _body(exchange: Exchange) -> dict[str, Any]:
    """An empty body means no wishes."""
    data = await exchange.read_json(_MAX_BODY_BYTES, _BODY_TIMEOUT_S)
    return dict(json_body.decode_object(data, RequestLimits())) if data.strip() else {}


def _converted(body: dict[str, Any]) -> CreateClientSecret:
    try:
        return msgspec.convert(body, CreateClientSecret)
    except msgspec.ValidationError as error:
        refused = refusal(error, body)
        raise InvalidRequest(refused.message, param=refused.param, code=refused.code) from None

"""``/v1/realtime`` as a WebSocket: the handshake, and a session behind it. Everything else is decided inside."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

from starlette.types import Receive, Scope, Send

from cluster.edges.http.exchange import Header
from cluster.edges.http.internal_error import internal_error
from cluster.edges.realtime.client_secrets import PREFIX, SecretSealer
from cluster.edges.realtime.connection import WebSocketConnection, refuse
from cluster.edges.realtime.handshake import Handshake
from cluster.edges.realtime.sessions import Sessions, new_id
from cluster.errors import OssatureError, PermissionDenied
from cluster.identity.principal import Principal
from cluster.realtime.driver.driver import INTERNAL_ERROR, ConnectionLost
from cluster.realtime.protocol.session_objects import SessionUpdateBody
from cluster.realtime.session.configuration import SessionConfig
from cluster.telemetry import logs

_log = logging.getLogger(__name__)

Authenticate = Callable[[str | None, str | None, str | None], Awaitable[Principal]]
"""Secret, organization, project → who it is."""
HolderOf = Callable[[str], Awaitable[Principal]]
"""Id of an API key → who holds it, if it is still valid."""
OnRefusal = Callable[[Principal | None, OssatureError], None]


class RealtimeEdge:
    def __init__(
        self, sessions: Sessions, sealer: SecretSealer, authenticate: Authenticate, holder_of: HolderOf, on_refusal: OnRefusal
    ) -> None:
        self.sessions = sessions
        self.sealer = sealer
        self._authenticate = authenticate
        self._holder_of = holder_of
        self._on_refusal = on_refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        """``path``: of the URL, without what the application is mounted under."""
        request_id = new_id("req")
        with logs.bound(request_id=request_id), ExitStack() as held:
            await receive()  # websocket.connect
            principal: Principal | None = None
            try:
                handshake = Handshake.of(scope, path)
                principal, given = await self._caller(handshake)
                config = self.sessions.configured(principal, handshake.model, given, transcription=handshake.transcription)
                held.enter_context(self.sessions.place(principal))
            except OssatureError as error:
                self._on_refusal(principal, error)
                await refuse(scope, send, error, request_id)
                return
            except Exception:  # noqa: BLE001 - a defect: the client is told no more than an id
                _log.exception("A realtime handshake failed")
                await refuse(scope, send, internal_error(request_id), request_id)
                return
            connection = WebSocketConnection(receive, send, handshake.dialect, self.sessions.settings)
            with logs.bound(org_id=principal.org_id or None):
                await self._run(principal, config, connection, handshake, request_id)

    async def _caller(self, handshake: Handshake) -> tuple[Principal, SessionUpdateBody | None]:
        """Who opens the session, and the settings that a client secret came with."""
        given: SessionUpdateBody | None = None
        if handshake.secret is not None and handshake.secret.startswith(PREFIX):
            grant = self.sealer.open(handshake.secret, time.time())
            principal, given = await self._holder_of(grant.key_id), grant.session
        else:
            principal = await self._authenticate(handshake.secret, handshake.organization, handshake.project)
        if principal.admin:
            raise PermissionDenied("An admin key cannot use models. Create a key of an organization for that.")
        return principal, given

    async def _run(
        self, principal: Principal, config: SessionConfig, connection: WebSocketConnection, handshake: Handshake, request_id: str
    ) -> None:
        headers: list[Header] = [(b"x-request-id", request_id.encode()), (b"openai-organization", principal.org_id.encode())]
        try:
            await connection.accept(handshake.subprotocol, headers)
            await self.sessions.run(principal, config, connection, request_id)
        except ConnectionLost:
            _log.debug("The client went away")
        except Exception:  # noqa: BLE001 - a defect ends this session and no other
            _log.exception("A realtime session failed")
            await connection.close(INTERNAL_ERROR, "internal error")
        finally:
            connection.stop()

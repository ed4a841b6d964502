"""The HTTP edge as one ASGI application. Translation only: every decision is made further inside."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.config.settings.edges import HttpSettings
from cluster.edges.http.admin import Admin, Audit, AuditEndpoints, Directory
from cluster.edges.http.audio_speech import SpeechEndpoint
from cluster.edges.http.audio_transcriptions import TranscriptionEndpoint
from cluster.edges.http.eval_runs import EvalRunEndpoints
from cluster.edges.http.evals import EvalEndpoints
from cluster.edges.http.exchange import ADMIN_KEY_HEADER, ClientGone, Exchange, path_of
from cluster.edges.http.files import FileEndpoints
from cluster.edges.http.fine_tuning import FineTuningEndpoints
from cluster.edges.http.generation import Generation
from cluster.edges.http.internal_error import internal_error
from cluster.edges.http.models import Models
from cluster.edges.http.request_span import begin_span, end_span
from cluster.edges.http.routes import Access, Route, RouteTable
from cluster.edges.http.service import Readiness, ServiceEndpoints
from cluster.edges.http.stored_completions import StoredCompletionEndpoints
from cluster.edges.realtime.edge import RealtimeEdge
from cluster.edges.realtime.secret_endpoints import SecretEndpoints
from cluster.errors import OssatureError, PermissionDenied, Unauthenticated
from cluster.identity.audit import UNKNOWN_ACTOR
from cluster.identity.principal import Principal
from cluster.inference.requests.limits import RequestLimits
from cluster.inference.service import Inference
from cluster.spoken.chat.chat import SpokenChat
from cluster.spoken.recordings import Recordings
from cluster.spoken.speech import Speech
from cluster.telemetry import labels, logs
from cluster.telemetry.tracing.span import NO_SPAN, UNTRACED, Tracer

_log = logging.getLogger(__name__)

Authenticate = Callable[[str | None, str | None, str | None], Awaitable[Principal]]
"""Secret, ``OpenAI-Organization``, ``OpenAI-Project`` → who it is."""

OnRefusal = Callable[[Principal | None, OssatureError], None]
"""Told of every error that this edge answers with and that the inside has not seen, so that it can be counted."""


def build_app(
    *,
    inference: Inference,
    authenticate: Authenticate,
    directory: Directory,
    settings: HttpSettings,
    readiness: Callable[[], Readiness],
    status: Callable[[Principal], Awaitable[dict[str, Any]]],
    on_refusal: OnRefusal = lambda principal, error: None,
    realtime: RealtimeEdge | None = None,
    speech: Speech | None = None,
    stored: StoredCompletionEndpoints | None = None,
    files: FileEndpoints | None = None,
    evals: Sequence[EvalEndpoints | EvalRunEndpoints] = (),
    fine_tuning: FineTuningEndpoints | None = None,
    audit: Audit | None = None,
    tracer: Tracer = UNTRACED,
) -> ASGIApp:
    """The application, ready to be served by uvicorn or by a Ray Serve ingress. Opens nothing; all arguments are the caller's.

    ``realtime``: ``None`` to serve no realtime sessions. ``speech``: ``None`` to serve no audio, in chats neither.
    ``stored``: ``None`` where no completions are kept. ``audit``: told of refused attempts at administration.
    """
    more = _realtime_routes(SecretEndpoints(realtime.sessions, realtime.sealer)) if realtime is not None else []
    more += stored.routes() if stored is not None else []
    more += files.routes() if files is not None else []
    more += [route for endpoints in evals for route in endpoints.routes()]
    more += fine_tuning.routes() if fine_tuning is not None else []
    more += _audit_routes(AuditEndpoints(audit)) if audit is not None else []
    limits = RequestLimits(max_json_depth=settings.max_json_depth, store=stored is not None and stored.keeping)
    spoken: SpokenChat | None = None
    if speech is not None:
        recordings = Recordings(speech.settings)
        more += _audio_routes(SpeechEndpoint(speech, settings), TranscriptionEndpoint(speech, recordings, settings))
        spoken = SpokenChat(inference, speech, recordings, limits)
    generation = Generation(inference, settings, limits, spoken)
    routes = _routes(generation, Models(inference), Admin(directory, status, settings), readiness, more)
    return HttpEdge(authenticate, routes, on_refusal, settings.write_timeout_s, realtime, audit, tracer)


class HttpEdge:
    def __init__(
        self,
        authenticate: Authenticate,
        routes: RouteTable,
        on_refusal: OnRefusal,
        write_timeout_s: float,
        realtime: RealtimeEdge | None = None,
        audit: Audit | None = None,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._realtime = realtime
        self._tracer = tracer
        self._audit = audit
        self._authenticate = authenticate
        self._routes = routes
        self._on_refusal = on_refusal
        self._write_timeout_s = write_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await self._handle(Exchange(scope, receive, send, self._write_timeout_s))
        elif self._realtime is not None:
            await self._realtime(scope, receive, send, path_of(scope))
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _handle(self, exchange: Exchange) -> None:
        error: OssatureError | None = None
        with logs.bound(request_id=exchange.request_id):
            try:
                error = await self._outcome(exchange)
                if error is not None:
                    if not exchange.accounted:
                        self._on_refusal(exchange.principal, error)
                    await exchange.fail(error)
            except ClientGone:
                _log.debug("The client went away")
                exchange.span.set({"ossature.client_gone": True})
            except Exception as raised:
                exchange.span.failed(labels.code_of(raised))
                raise
            finally:
                if exchange.span is not NO_SPAN:
                    end_span(exchange, labels.code_of(error) if error is not None else None)

    async def _outcome(self, exchange: Exchange) -> OssatureError | None:
        """Serve the request; what is to be told of a failure. Raises once an answer has begun: the server then breaks it off."""
        try:
            await self._serve(exchange)
        except ClientGone:
            raise
        except OssatureError as error:
            if exchange.started:
                raise
            return error
        except Exception:
            if exchange.started:
                raise
            _log.exception("A request failed")
            return internal_error(exchange.request_id)
        return None

    async def _serve(self, exchange: Exchange) -> None:
        route, parameters = self._routes.find(exchange)
        if route.access is Access.PUBLIC:
            await route.handler(exchange, **parameters)
            return
        if self._tracer.on:
            begin_span(self._tracer, exchange, route)
        principal = await self._admitted(exchange, route)
        admin_key = exchange.header(ADMIN_KEY_HEADER)
        if admin_key is not None:
            exchange.explain = (await self._authenticate(admin_key, None, None)).admin
        with logs.bound(org_id=principal.org_id or None):
            await route.handler(exchange, **parameters)

    async def _admitted(self, exchange: Exchange, route: Route) -> Principal:
        """Who calls, if they may come this way. That somebody was kept from administration is written down."""
        try:
            principal = await self._authenticate(
                _bearer(exchange.header("authorization")), exchange.header("openai-organization"), exchange.header("openai-project")
            )
            exchange.principal = principal
            _require(route.access, principal)
        except (Unauthenticated, PermissionDenied) as error:
            if route.access is Access.ADMIN and self._audit is not None:
                actor = exchange.principal.key_id if exchange.principal is not None else UNKNOWN_ACTOR
                await self._audit.refused(actor, route.handler.__name__, error)
            raise
        return principal


def _audit_routes(endpoints: AuditEndpoints) -> list[Route]:
    return [Route("GET", "/admin/v1/audit_events", Access.ADMIN, endpoints.list_audit_events, "List administrators' actions")]


def _realtime_routes(endpoints: SecretEndpoints) -> list[Route]:
    root, access = "/v1/realtime", Access.ORGANIZATION
    beta = endpoints.beta_transcription_session
    return [
        Route("POST", f"{root}/client_secrets", access, endpoints.client_secrets, "Create a secret for realtime sessions"),
        Route("POST", f"{root}/sessions", access, endpoints.beta_session, "Create a realtime session's secret (beta)"),
        Route("POST", f"{root}/transcription_sessions", access, beta, "Create a transcription session's secret (beta)"),
    ]


def _audio_routes(speech: SpeechEndpoint, transcriptions: TranscriptionEndpoint) -> list[Route]:
    root, access = "/v1/audio", Access.ORGANIZATION
    return [
        Route("POST", f"{root}/speech", access, speech.speech, "Speak a text", "SpeechFields"),
        Route("POST", f"{root}/transcriptions", access, transcriptions.transcription, "Transcribe a recording"),
        Route("POST", f"{root}/translations", access, transcriptions.translation, "Not served: says so"),
    ]


def _routes(
    generation: Generation, models: Models, admin: Admin, readiness: Callable[[], Readiness], more: Sequence[Route]
) -> RouteTable:
    service = ServiceEndpoints(readiness, lambda: table.routes)
    organization = "/admin/v1/organizations/{org_id}"
    table = RouteTable(
        [
            Route("GET", "/", Access.PUBLIC, service.index, "What is here"),
            Route("GET", "/healthz", Access.PUBLIC, service.health, "Whether this gateway lives"),
            Route("GET", "/readyz", Access.PUBLIC, service.ready, "Whether every model has a replica"),
            Route("GET", "/openapi.json", Access.PUBLIC, service.openapi, "This description"),
            Route("POST", "/v1/chat/completions", Access.ORGANIZATION, generation.chat, "Answer a conversation", "ChatFields"),
            Route("POST", "/v1/completions", Access.ORGANIZATION, generation.completion, "Continue a text", "CompletionFields"),
            Route("GET", "/v1/models", Access.ORGANIZATION, models.list, "List models"),
            Route("GET", "/v1/models/{model_id:path}", Access.ORGANIZATION, models.retrieve, "Describe a model"),
            Route("DELETE", "/v1/models/{model_id:path}", Access.ORGANIZATION, models.delete, "Delete a tuned model"),
            Route(
                "POST",
                "/admin/v1/organizations",
                Access.ADMIN,
                admin.create_organization,
                "Create an organization",
                "NewOrganization",
            ),
            Route("GET", "/admin/v1/organizations", Access.ADMIN, admin.list_organizations, "List organizations"),
            Route("GET", organization, Access.ADMIN, admin.get_organization, "Describe an organization"),
            Route("POST", f"{organization}/projects", Access.ADMIN, admin.create_project, "Create a project", "NewProject"),
            Route("GET", f"{organization}/projects", Access.ADMIN, admin.list_projects, "List projects"),
            Route("POST", f"{organization}/keys", Access.ADMIN, admin.create_key, "Create a key", "NewApiKey"),
            Route("GET", f"{organization}/keys", Access.ADMIN, admin.list_keys, "List keys"),
            Route("POST", "/admin/v1/keys", Access.ADMIN, admin.create_admin_key, "Create an admin key", "NewAdminKey"),
            Route("GET", "/admin/v1/keys", Access.ADMIN, admin.list_admin_keys, "List admin keys"),
            Route("DELETE", "/admin/v1/keys/{key_id}", Access.ADMIN, admin.revoke_key, "Revoke a key"),
            Route("GET", "/admin/v1/status", Access.ADMIN, admin.status, "The cluster's state"),
            *more,
        ]
    )
    return table


def _require(access: Access, principal: Principal) -> None:
    if access is Access.ADMIN and not principal.admin:
        raise PermissionDenied("This needs an admin key.")
    if access is Access.ORGANIZATION and principal.admin:
        raise PermissionDenied("An admin key cannot use models. Create a key of an organization for that.")


def _bearer(authorization: str | None) -> str | None:
    scheme, _, secret = (authorization or "").partition(" ")
    return secret.strip() or None if scheme.lower() == "bearer" else None


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return

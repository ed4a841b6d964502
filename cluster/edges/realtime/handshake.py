"""What a client says before a WebSocket is opened: who it is, which model it wants, and which dialect it speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.types import Scope

from cluster.errors import InvalidRequest, NotFound
from cluster.realtime.protocol.dialect import BETA, GA, Dialect

PATH = "/v1/realtime"
SUBPROTOCOL = "realtime"
_KEY_PREFIX = "openai-insecure-api-key."
_ORGANIZATION_PREFIX = "openai-organization."
_PROJECT_PREFIX = "openai-project."
_BETA_SUBPROTOCOL = "openai-beta.realtime-v1"
_BETA_HEADER = "realtime=v1"
_MAX_QUERY_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Handshake:
    """``secret``: an API key or a client secret, by header or, from browsers, by subprotocol. ``subprotocol``: to select."""

    secret: str | None = field(repr=False)
    organization: str | None
    project: str | None
    model: str | None
    transcription: bool
    dialect: Dialect
    subprotocol: str | None

    @classmethod
    def of(cls, scope: Scope, path: str) -> Handshake:
        """Raises :class:`NotFound` for another path, :class:`InvalidRequest` for what can't be asked of this one."""
        if path.rstrip("/") != PATH:
            raise NotFound(f"Unknown request URL: WebSocket {path[:200]}.", code="unknown_url")
        query = _query(scope["query_string"])
        if "call_id" in query:
            raise InvalidRequest("This server has no calls to join.", param="call_id", code="unsupported_parameter")
        headers = _headers(scope["headers"])
        offered: Sequence[str] = scope.get("subprotocols", [])
        beta = _BETA_HEADER in headers.get("openai-beta", "") or _BETA_SUBPROTOCOL in offered
        return cls(
            secret=_bearer(headers.get("authorization")) or _offered(offered, _KEY_PREFIX),
            organization=headers.get("openai-organization") or _offered(offered, _ORGANIZATION_PREFIX),
            project=headers.get("openai-project") or _offered(offered, _PROJECT_PREFIX),
            model=query.get("model") or None,
            transcription=query.get("intent") == "transcription",
            dialect=BETA if beta else GA,
            subprotocol=SUBPROTOCOL if SUBPROTOCOL in offered else None,
        )


def _query(raw: bytes) -> Mapping[str, str]:
    if len(raw) > _MAX_QUERY_BYTES:
        raise InvalidRequest(f"The query string is longer than {_MAX_QUERY_BYTES} bytes.", code="string_above_max_length")
    return {name: values[0] for name, values in parse_qs(raw.decode("latin-1"), max_num_fields=32).items()}


def _headers(raw: Sequence[tuple[bytes, bytes]]) -> Mapping[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in reversed(raw)}


def _bearer(authorization: str | None) -> str | None:
    scheme, _, secret = (authorization or "").partition(" ")
    return secret.strip() or None if scheme.lower() == "bearer" else None


def _offered(subprotocols: Sequence[str], prefix: str) -> str | None:
    return next((name.removeprefix(prefix) for name in subprotocols if name.startswith(prefix)), None)

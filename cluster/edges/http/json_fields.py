"""Small JSON bodies of the endpoints around inference, validated as chat requests are."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from cluster.edges.http.exchange import Exchange
from cluster.inference.requests import json_body, problems
from cluster.inference.requests.fields import Strict
from cluster.inference.requests.limits import DEFAULT_LIMITS, RequestLimits

MAX_BODY_BYTES = 64 << 10
BODY_TIMEOUT_S = 30.0

_Body = TypeVar("_Body", bound=Strict)


async def read_fields(
    exchange: Exchange,
    kind: type[_Body],
    *,
    limit_bytes: int = MAX_BODY_BYTES,
    timeout_s: float = BODY_TIMEOUT_S,
    limits: RequestLimits = DEFAULT_LIMITS,
) -> _Body:
    """The body as ``kind``. Raises :class:`~cluster.errors.InvalidRequest` with the name of the field, and what reading raises."""
    data = json_body.decode_object(await exchange.read_json(limit_bytes, timeout_s), limits)
    if unknown := [name for name in data if name not in kind.model_fields]:
        raise problems.unrecognized(unknown)
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise problems.from_pydantic(error) from None

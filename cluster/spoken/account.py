"""One piece of speech work in metrics and ledger, as a request of a model is."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cluster.engine.contract import EngineUsage
from cluster.identity.principal import Principal
from cluster.inference.accounting import Recorder, RequestMeter
from cluster.inference.usage import Usage


@dataclass(slots=True)
class Account:
    """What the work came to, in tokens of :mod:`cluster.speech.tokens`; to be filled in before it ends."""

    input_tokens: int = 0
    output_tokens: int = 0


@asynccontextmanager
async def accounted(recorder: Recorder, principal: Principal, service: str, edge: str) -> AsyncIterator[Account]:
    """Record what happens inside, once: before leaving it, so that whatever is sent afterwards is on record.

    ``service``: one of ``labels.SPEECH_SERVICES``. Work that failed or was cancelled is recorded without tokens.
    """
    meter = RequestMeter(recorder, principal, service, edge, f"speech-{secrets.token_hex(16)}")
    account = Account()
    try:
        yield account
    except BaseException as error:
        await meter.failed(error)
        raise
    exact = EngineUsage(account.input_tokens, account.output_tokens)
    await meter.completed(exact, Usage(account.input_tokens, account.output_tokens, 0, 0), None)

"""Ids of answers: a prefix and 128 random bits, so that one can't be guessed from another."""

from __future__ import annotations

import secrets

from cluster.engine.contract import Operation

_PREFIX = {Operation.CHAT: "chatcmpl-", Operation.COMPLETION: "cmpl-"}


def answer_id(operation: Operation) -> str:
    return _PREFIX[operation] + secrets.token_hex(16)

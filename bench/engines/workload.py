"""The workload of many organizations, scaled to what CPU engines can do.

At full size: 150 organizations, each with a prompt of 6,000 tokens that its 5 users' questions stand behind. Here everything that
is counted in tokens is a quarter, the retention interval of the cache too: what a hit leaves to compute is as small a part of a
prompt.
Each organization's first request is sent before the measurement, so that what is measured is the steady state and not how often
something is new.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

_SYLLABLES = ("ka", "lo", "mi", "ra", "ten", "su", "vor", "pel", "dan", "ix")
#: A quarter of the 256 tokens that gpt-oss is served with.
RETENTION_INTERVAL_TOKENS = 64
#: Bytes of made-up words that become one token, by tokenizer: measured on 2,000 words.
BYTES_PER_TOKEN = {"harmony": 3.1, "bytes": 1.0}


@dataclass(frozen=True, slots=True)
class Workload:
    """``requests_per_user`` after the first of each organization; sizes in tokens, about; ``seed`` decides everything."""

    organizations: int = 32
    users: int = 5
    requests_per_user: int = 1
    prefix_tokens: int = 1500
    question_tokens: int = 40
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: when (seconds after the start), whose, and the prompt's two parts."""

    at_s: float
    organization: int
    prefix: str
    question: str


def prefixes(workload: Workload, bytes_per_token: float) -> list[str]:
    """Each organization's own prompt."""
    rng = random.Random(workload.seed)
    return [made_up_text(rng, workload.prefix_tokens, bytes_per_token) for _ in range(workload.organizations)]


def schedule(workload: Workload, rate_per_s: float, bytes_per_token: float) -> list[Ask]:
    """All measured requests in order of their arrival: Poisson with this rate, each user's questions in a random place."""
    own = prefixes(workload, bytes_per_token)
    rng = random.Random(workload.seed + 1)
    whose = list(range(workload.organizations)) * (workload.users * workload.requests_per_user)
    rng.shuffle(whose)
    at_s, asks = 0.0, []
    for organization in whose:
        at_s += rng.expovariate(rate_per_s)
        asks.append(Ask(at_s, organization, own[organization], made_up_text(rng, workload.question_tokens, bytes_per_token)))
    return asks


def first_asks(workload: Workload, bytes_per_token: float) -> Sequence[Ask]:
    """One request of each organization, for before the measurement."""
    rng = random.Random(workload.seed + 2)
    return [
        Ask(0.0, organization, prefix, made_up_text(rng, workload.question_tokens, bytes_per_token))
        for organization, prefix in enumerate(prefixes(workload, bytes_per_token))
    ]


def made_up_text(rng: random.Random, tokens: int, bytes_per_token: float) -> str:
    """Words that say nothing, about so many tokens of them."""
    words: list[str] = []
    size = 0
    while size < tokens * bytes_per_token:
        word = "".join(rng.choices(_SYLLABLES, k=rng.randint(2, 3)))
        words.append(word)
        size += len(word) + 1
    return " ".join(words)

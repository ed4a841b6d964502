"""The cache salt: which requests may reuse each other's cached prompt prefixes, and for how long.

vLLM mixes ``cache_salt`` into the hash of a prompt's first block, and every later block inherits it. Requests with different
salts can't hit each other's entries; requests with equal salts and equal prefixes do.

What the salt closes: reading from time to first token (or from ``cached_tokens``) whether another organization has sent a given
prompt; reuse of an entry after its retention period, although vLLM itself only evicts when it needs the space.
What it does not close: organizations share replicas, queues and batches, so load is visible in latency. And it deletes nothing:
entries of a passed period can't be reached any more, but stay in memory until they are evicted.
"""

from __future__ import annotations

import base64
import hmac
import math
import time
from collections.abc import Callable

from cluster.config.settings.prompt_cache import PromptCacheSettings, Retention
from cluster.prompt_cache.keys import derive_key, encode_fields

ANCHOR_PROMPT_BYTES = 1024
"""About 256 tokens at 4 bytes each: what of a prompt decides when its entries expire."""


class SaltDeriver:
    """Derives everything that keeps organizations apart in prompt caches from one secret.

    Gateways with the same ``secret`` and settings derive the same values without talking to each other, as far as their clocks
    agree. ``clock`` returns Unix seconds.
    """

    def __init__(self, secret: bytes, settings: PromptCacheSettings, clock: Callable[[], float] = time.time) -> None:
        self._salt_key = derive_key(secret, "prompt-cache/salt")
        self._phase_key = derive_key(secret, "prompt-cache/phase")
        self._anchor_key = derive_key(secret, "prompt-cache/anchor")
        self._tag_key = derive_key(secret, "prompt-cache/org-tag")
        self._routing_key = derive_key(secret, "routing/chain-root")
        self._period_s = {
            Retention.IN_MEMORY: settings.in_memory_period_s,
            Retention.EXTENDED: settings.extended_period_s,
        }
        self._clock = clock

    def salt(self, org_id: str, model: str, retention: Retention, anchor: bytes, client_salt: str | None) -> str:
        """The value for vLLM's ``cache_salt``: 44 characters of URL-safe base64 (vLLM refuses ``/`` in a salt).

        ``anchor`` comes from :meth:`anchor_of`. It is part of the salt, so that a prefix has exactly one expiry: entries written
        under it are unreachable one retention period later at the latest. A ``client_salt`` subdivides the organization's cache
        and can do nothing else, since it is only ever hashed together with the organization.
        """
        epoch = self.epoch(org_id, retention, anchor)
        message = encode_fields(_known(org_id), model, retention.value, epoch, anchor, client_salt)
        return base64.urlsafe_b64encode(hmac.digest(self._salt_key, message, "sha256")).decode("ascii")

    def epoch(self, org_id: str, retention: Retention, anchor: bytes) -> int:
        """Number of the running retention period of a prefix: ``floor((now + phase) / period)``.

        The phase depends on organization and anchor: prefixes expire all over the period and not at the same second.
        """
        period_s = self._period_s[retention]
        message = encode_fields(_known(org_id), retention.value, anchor)
        fraction = int.from_bytes(hmac.digest(self._phase_key, message, "sha256")[:8], "big") / 2**64
        return math.floor((self._clock() + fraction * period_s) / period_s)

    def anchor_of(self, org_id: str, canonical_prompt: bytes) -> bytes:
        """A keyed hash of how a prompt begins (16 bytes), equal for all turns of a conversation longer than 1,024 bytes.

        Shorter prompts get a new anchor, hence a cold cache, as long as they grow: at most some 256 tokens are prefilled again.
        """
        message = encode_fields(_known(org_id), canonical_prompt[:ANCHOR_PROMPT_BYTES])
        return hmac.digest(self._anchor_key, message, "sha256")[:16]

    def org_tag(self, org_id: str) -> str:
        """A stable name of an organization that doesn't tell its id: 32 hexadecimal characters."""
        return hmac.digest(self._tag_key, encode_fields(_known(org_id)), "sha256")[:16].hex()

    def routing_key(
        self, org_id: str, retention: Retention, client_salt: str | None = None, prompt_cache_key: str | None = None
    ) -> bytes:
        """The root of the request's prefix chain (32 bytes; see ``cluster.routing.chain``).

        It separates what the salt separates, but for the epoch: when an epoch ends, a conversation is cold everywhere, and moving
        it as well would only make the next gateway decisions disagree. ``prompt_cache_key`` makes a chain, and so a home, of its
        own: the caller's word that these requests belong together.
        """
        message = encode_fields(_known(org_id), retention.value, client_salt, prompt_cache_key)
        return hmac.digest(self._routing_key, message, "sha256")


def _known(org_id: str) -> str:
    if not org_id:
        raise ValueError("a salt needs an organization")
    return org_id

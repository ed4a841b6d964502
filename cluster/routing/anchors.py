"""Choosing the anchor: the block of a prompt's chain whose hash decides its home replica.

A shallow anchor keeps everything that begins alike together; a deep one tells conversations apart. The rule:

    the anchor is the block at the affinity threshold, unless that prefix is crowded; behind a crowded prefix
    it is the first block after it; and a path keeps the anchor that it was first given.

A prefix is crowded when it draws a large part of one replica's even share of the model's requests and branches into many
continuations. Kept on one home it would be pushed around by its load; every replica will have it cached soon anyway, and
conversations behind it gain from homes of their own. Below that, one home is right: the prefix is cached once, and each
continuation finds its earlier turns there.

The rule needs no memory but for crowded prefixes: gateways that have not spoken to each other agree on all others, and agree on
those as soon as each has seen enough of the traffic to call them crowded. ``docs/routing.md`` tells what happens until then.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from cluster.routing.chain import depth_at
from cluster.routing.org_lru import OrgLru

BYTES_PER_TOKEN = 4
"""Estimate for English text and code. Other scripts have fewer tokens a byte with large vocabularies or more with small ones;
either way only the threshold of affinity shifts."""

ENTRY_BYTES = 230
"""Memory of an entry: its place in an ordered dictionary, the 16-byte hash, and a block."""

WINDOW_REQUESTS = 512
"""Counts halve every so many requests of a model, so that shares are those of about the last thousand."""

MIN_REQUESTS = 64
"""Requests of a model that a gateway must have seen before it calls a prefix crowded."""

MIN_BRANCHES = 8
"""Continuations from the same block under which it isn't crowded, however busy: one conversation, or a few forks of it."""

CROWDED_SHARE = 0.5
"""Part of one replica's even share of requests above which a prefix is crowded. It stops being crowded below half of that."""


def estimated_tokens(length_bytes: int) -> int:
    """Tokens of a prompt of ``length_bytes``, without a tokenizer."""
    return length_bytes // BYTES_PER_TOKEN


@dataclass(slots=True)
class _Block:
    """A prefix that was seen: recent requests with it, paths that branched off behind it, depth of the anchor of its path."""

    window: int
    requests: int
    anchor_depth: int
    branches: int = 0
    crowded: bool = False

    def count(self, window: int) -> int:
        """Count a request in; the number of recent ones."""
        if window > self.window:
            self.requests >>= min(window - self.window, 63)
            self.window = window
        self.requests += 1
        return self.requests


class AnchorChooser:
    """One gateway's memory of prefixes, and the choice of anchors by it. Not thread-safe: one event loop owns it.

    ``entries`` bounds the blocks remembered over all organizations (``ENTRY_BYTES`` each); ``min_affinity_tokens`` and
    ``block_bytes`` place the shallowest anchor.
    """

    def __init__(self, entries: int, min_affinity_tokens: int, block_bytes: int) -> None:
        self._blocks: OrgLru[_Block] = OrgLru(entries)
        self._requests: dict[str, int] = {}  # by model
        self._threshold_depth = max(1, depth_at(min_affinity_tokens * BYTES_PER_TOKEN, block_bytes))

    @property
    def entries(self) -> int:
        """Blocks remembered now."""
        return len(self._blocks)

    def choose(self, org: str, model: str, chain: tuple[bytes, ...], replicas: int) -> bytes:
        """The anchor of a request to a model with so many replicas, and remember the request.

        ``b""`` for a prompt without a whole block.
        """
        if not chain:
            return b""
        window, crowd = self._count_request(model, replicas)
        first = min(self._threshold_depth, len(chain))
        path = self._blocks.leading(org, islice(chain, first - 1, None))

        crowded_depth = 0
        for depth, block in enumerate(path, first):
            requests = block.count(window)
            if requests > crowd:
                block.crowded = block.branches >= MIN_BRANCHES
            elif block.crowded and requests < crowd / 2:
                block.crowded = False
            if block.crowded:
                crowded_depth = depth

        known_depth = first - 1 + len(path)
        if not path:
            anchor_depth = first
        else:
            anchor_depth = path[-1].anchor_depth
            if known_depth < len(chain):
                path[-1].branches += 1
                if crowded_depth == known_depth:
                    anchor_depth = known_depth + 1
        self._blocks.add(org, [(key, _Block(window, 1, anchor_depth)) for key in islice(chain, known_depth, None)])
        return chain[anchor_depth - 1]

    def _count_request(self, model: str, replicas: int) -> tuple[int, float]:
        """The current window, and the number of recent requests above which a prefix is crowded."""
        seen = self._requests.get(model, 0) + 1
        self._requests[model] = seen
        if seen < MIN_REQUESTS:
            return 0, float("inf")
        window, in_window = divmod(seen, WINDOW_REQUESTS)
        # What a block would have counted if every request had gone through it: this window's, and 512, 256, … of earlier ones.
        recent = in_window + (WINDOW_REQUESTS * (1.0 - 0.5**window))
        return window, recent * CROWDED_SHARE / max(replicas, 1)

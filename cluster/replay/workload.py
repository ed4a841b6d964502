"""Requests as the simulator sees them: when they come, how long they are, which prefix they share with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from cluster.routing.chain import HASH_BYTES, block_ends

BYTES_PER_TOKEN = 4.4
"""Of every simulated prompt: near what English chat measures, and not the 4 that routing assumes before it has learned better."""


@dataclass(frozen=True, slots=True)
class SimulatedRequest:
    """``blocks`` name the prompt's blocks, shallow to deep, the last one possibly partial.

    An equal name means an equal block and everything before it.
    """

    arrival_s: float
    org: str
    input_tokens: int
    output_tokens: int
    blocks: tuple[int, ...]

    @property
    def prompt_bytes(self) -> int:
        return int(self.input_tokens * BYTES_PER_TOKEN)


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests in the order of arrival; each of their blocks has ``block_tokens`` tokens."""

    name: str
    block_tokens: int
    requests: Sequence[SimulatedRequest]

    @property
    def input_tokens(self) -> int:
        return sum(request.input_tokens for request in self.requests)


class ChainMaker:
    """Prefix chains of simulated prompts, cut where ``prefix_chain`` would cut the prompt's bytes."""

    def __init__(self, block_tokens: int, block_bytes: int) -> None:
        self._block_tokens = block_tokens
        self._block_bytes = block_bytes
        self._ends: list[tuple[int, int]] = []  # of the longest prompt yet: (bytes, number of the block it lies in)
        self._longest = 0
        self._hashes: dict[tuple[int, int], bytes] = {}

    def chain(self, request: SimulatedRequest) -> tuple[bytes, ...]:
        """Hashes shallow to deep. Two requests share one exactly if they share the block in which it ends."""
        length = request.prompt_bytes
        if length > self._longest:
            self._longest = length
            per_block = self._block_tokens * BYTES_PER_TOKEN
            self._ends = [(end, int((end - 1) / per_block)) for end in block_ends(length, self._block_bytes)]
        chain: list[bytes] = []
        blocks, hashes = request.blocks, self._hashes
        for end, number in self._ends:
            if end > length or number >= len(blocks):
                break
            name = (blocks[number], end)
            digest = hashes.get(name)
            if digest is None:
                digest = hashes[name] = blake2b(b"%d/%d" % name, digest_size=HASH_BYTES).digest()
            chain.append(digest)
        return tuple(chain)

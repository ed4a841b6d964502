"""Chains of made-up requests: conversations that grow, one-shot questions on shared documents."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cluster.routing.anchors import AnchorChooser

BLOCK_BYTES = 512
THRESHOLD_TOKENS = 1024
THRESHOLD_BLOCKS = THRESHOLD_TOKENS * 4 // BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class Turn:
    """A request: who speaks (``speaker`` names a conversation), and the prompt's chain."""

    speaker: str
    chain: tuple[bytes, ...]


def chooser(entries: int = 200_000) -> AnchorChooser:
    return AnchorChooser(entries, THRESHOLD_TOKENS, BLOCK_BYTES)


def blocks(name: str, count: int) -> tuple[bytes, ...]:
    """Stand-ins for chain hashes: equal names are equal prefixes as long as what comes before is equal too."""
    return tuple(f"{name}.{number}".encode() for number in range(count))


def conversations(
    count: int, turns: int, opening: Callable[[int], tuple[bytes, ...]], seed: int, alive: int = 20, own_blocks: int = 4
) -> Iterator[Turn]:
    """Conversations in random interleaving, ``alive`` of them at a time; each turn adds ``own_blocks`` to the prompt.

    Those of another ``seed`` are other conversations.
    """
    rng = random.Random(seed)
    waiting = [(number, opening(number), 0) for number in range(count)]
    open_ones = [waiting.pop(0) for _ in range(min(alive, len(waiting)))]
    while open_ones:
        number, chain, spoken = open_ones.pop(rng.randrange(len(open_ones)))
        speaker = f"conversation-{seed}-{number}"
        chain += blocks(f"{speaker}-turn-{spoken}", own_blocks)
        yield Turn(speaker, chain)
        if spoken + 1 < turns:
            open_ones.append((number, chain, spoken + 1))
        elif waiting:
            open_ones.append(waiting.pop(0))


def anchors_by_speaker(
    turns: Iterator[Turn], gateways: list[AnchorChooser], replicas: int, seed: int = 0
) -> dict[str, list[bytes]]:
    """The anchors that each conversation got, turn by turn, when every request comes in over a random gateway."""
    rng = random.Random(seed)
    anchors: dict[str, list[bytes]] = defaultdict(list)
    for turn in turns:
        anchors[turn.speaker].append(rng.choice(gateways).choose("org", "model", turn.chain, replicas))
    return anchors

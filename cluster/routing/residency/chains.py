"""Prefix chains on top of an engine's blocks: for each hash of a chain, how many tokens the engine would find of a prompt with it.

Gateways know prompts as chains of keyed hashes of bytes, engines as hashes of tokens. The two meet in a request: the gateway's
ticket names its chain, the engine's events name the blocks that were stored for it, and the engine counts its tokens. A chain's
hash ends after a known part of the prompt's bytes, so it is put on the block at the same part of the tokens, and the last one on
the prompt's last whole block. Nothing but the chain's hashes and numbers of tokens leaves the replica.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cluster.routing.chain import block_ends
from cluster.routing.org_lru import OrgLru
from cluster.routing.residency.blocks import Block, BlockKey, BlockTree, Group

EVICTED = 0
"""The engine has nothing any more of what this hash added to the one before it."""

UNTOLD = -1
"""Nothing is said about this hash any more; the engine may well have it."""

_PATIENCE = 4
"""Rounds that an ended request waits for events that are still on their way."""


@dataclass(slots=True, eq=False)
class _Request:
    """A request whose chain is not on its blocks yet. ``last``: the last block of full attention that was stored for it."""

    org: str
    chain: Sequence[bytes]
    prompt_bytes: int
    prompt_tokens: int = 0
    last: Block | None = None
    patience: int = _PATIENCE
    ended: bool = False


@dataclass(slots=True, eq=False)
class _Link:
    """A chain's hash on the block where it ends, or before. ``told``: tokens served as gateways were told last."""

    org: str
    block: Block
    watched: tuple[Block, ...] = ()
    told: int = field(default=EVICTED)


class ResidentChains:
    """Of one engine. Used on one event loop.

    ``block_bytes``: of the chains' blocks. ``capacity``: hashes over all organizations; no organization can push out one that has
    less than its share.
    """

    def __init__(self, groups: Sequence[Group], block_bytes: int, capacity: int) -> None:
        self._tree = BlockTree(groups)
        self._block_bytes = block_bytes
        self._requests: dict[str, _Request] = {}
        self._computed: dict[str, _Request] = {}
        self._links: dict[bytes, _Link] = {}
        self._shares: OrgLru[bool] = OrgLru(capacity, on_evict=self._pushed_out)
        self._fresh: set[bytes] = set()
        self._news: dict[bytes, int] = {}

    @property
    def blocks(self) -> int:
        """Blocks that are resident in at least one group."""
        return len(self._tree)

    @property
    def hashes(self) -> int:
        """Hashes of chains that are known to be served."""
        return len(self._links)

    # --- requests ---------------------------------------------------------------------------------------------------------

    def expect(self, request_id: str, org: str, chain: Sequence[bytes], prompt_bytes: int) -> None:
        """A request with this chain is about to be given to the engine, which will name it in its events."""
        if chain:
            self._requests[request_id] = _Request(org, chain, prompt_bytes)

    def computed(self, request_id: str, prompt_tokens: int) -> None:
        """The request's prompt has been computed, and has so many tokens."""
        request = self._requests.get(request_id)
        if request is not None:
            request.prompt_tokens = prompt_tokens
            self._computed[request_id] = request

    def ended(self, request_id: str) -> None:
        """Nothing more will be stored for the request."""
        request = self._requests.get(request_id)
        if request is None:
            return
        request.ended = True
        if request_id not in self._computed:
            del self._requests[request_id]

    # --- the engine's events ----------------------------------------------------------------------------------------------

    def stored(self, group: int, keys: Sequence[BlockKey], parent: BlockKey | None, request_id: str | None) -> None:
        """See :meth:`BlockTree.stored`."""
        last = self._tree.stored(group, keys, parent)
        request = self._requests.get(request_id) if request_id is not None else None
        if request is not None and last is not None:
            request.last = last

    def removed(self, group: int, keys: Iterable[BlockKey]) -> None:
        """See :meth:`BlockTree.removed`."""
        self._tree.removed(group, keys)

    def cleared(self) -> None:
        """The engine has dropped its whole cache."""
        self._tree.clear()
        for request in self._requests.values():
            request.last = None

    # --- what gateways are told -------------------------------------------------------------------------------------------

    def news(self) -> dict[bytes, int]:
        """What has changed since the last call, by hash: tokens served of a prompt that has it, ``EVICTED`` or ``UNTOLD``."""
        for request_id, request in list(self._computed.items()):
            if self._settle(request):
                del self._computed[request_id], self._requests[request_id]
        due, self._tree.touched, self._fresh = self._tree.touched | self._fresh, set(), set()
        for name in due:
            link = self._links.get(name)
            if link is not None:
                self._judge(name, link)
        news, self._news = self._news, {}
        return news

    def _settle(self, request: _Request) -> bool:
        """Put the request's chain on its blocks, as far as these are known. Whether nothing more can come of it."""
        complete = request.last is not None and self._put(request)
        if request.ended:
            request.patience -= 1
        return complete or request.patience <= 0

    def _put(self, request: _Request) -> bool:
        """Walk from the request's last block to its first. False if blocks are missing at the end."""
        at: Block | None = request.last
        path: list[bytes] = []
        complete = True
        tokens_per_byte = request.prompt_tokens / request.prompt_bytes
        ends = list(block_ends(request.prompt_bytes, self._block_bytes))
        if len(ends) == len(request.chain):
            # A prompt that shares the last hash is most likely this one again, or its conversation going on.
            ends[-1] = request.prompt_bytes
        for name, end in zip(reversed(request.chain), reversed(ends[: len(request.chain)]), strict=True):
            depth = int(end * tokens_per_byte) // self._tree.block_tokens
            while at is not None and at.rooted and at.depth > depth:
                at = at.parent
            if at is None or not at.rooted or depth == 0:
                break
            if at.depth < depth:
                complete = False
                continue
            path.append(name)
            self._attach(name, request.org, at)
        self._shares.add(request.org, [(name, True) for name in reversed(path)])
        return complete

    def _attach(self, name: bytes, org: str, block: Block) -> None:
        link = self._links.get(name)
        if link is None:
            self._links[name] = _Link(org, block)
        elif link.block is not block:
            self._tree.unwatch(name, link.watched)
            link.block, link.watched = block, ()
        self._fresh.add(name)

    def _judge(self, name: bytes, link: _Link) -> None:
        self._tree.unwatch(name, link.watched)
        served, end = self._tree.served(link.block)
        if end is None:
            self._forget(name)
            self._shares.discard(link.org, name)
            if link.told != EVICTED:
                self._news[name] = EVICTED
            return
        link.watched = self._tree.watch(name, link.block, end)
        if served != link.told:
            link.told = self._news[name] = served

    def _pushed_out(self, name: bytes) -> None:
        """An organization has more hashes than its share of what is remembered."""
        told = self._links[name].told
        self._forget(name)
        if told != EVICTED:
            self._news[name] = UNTOLD

    def _forget(self, name: bytes) -> None:
        link = self._links.pop(name)
        self._tree.unwatch(name, link.watched)

    def check_integrity(self) -> None:
        """Raise ``AssertionError`` if what was told isn't what is there. For tests; call it after :meth:`news`."""
        self._tree.check_integrity()
        self._shares.check_integrity()
        assert len(self._shares) == len(self._links)
        for name, link in self._links.items():
            served, _ = self._tree.served(link.block)
            assert 0 < link.told <= max(served, link.told)
            assert all(name in (block.watchers or ()) for block in link.watched)

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cluster.routing.residency.blocks import Group
from cluster.routing.residency.chains import EVICTED, UNTOLD, ResidentChains
from tests.unit.routing.residency.reference_cache import BLOCK_TOKENS, Path, ReferenceCache

FULL = Group(BLOCK_TOKENS)
WINDOW = Group(BLOCK_TOKENS, window_tokens=3 * BLOCK_TOKENS)
LAYOUTS = {"full": [FULL], "gpt-oss": [WINDOW, FULL]}

BLOCK_BYTES = 64
"""Four bytes a token: a block of the chain is one of the engine's."""


def chain_of(path: Path, org: int = 0) -> tuple[bytes, ...]:
    return tuple(bytes([org, end, *path[:end]]).ljust(16, b"\0") for end in range(1, len(path) + 1))


def ask(chains: ResidentChains, cache: ReferenceCache, path: Path, name: str, org: int = 0) -> int:
    """A request from its arrival to its end. Returns the blocks that its engine found."""
    chains.expect(name, str(org), chain_of(path, org), len(path) * BLOCK_BYTES)
    found = cache.request(path, name)
    chains.computed(name, len(path) * BLOCK_TOKENS)
    chains.ended(name)
    return found


def after(told: dict[bytes, int], news: dict[bytes, int]) -> dict[bytes, int]:
    told = told | news
    return {name: tokens for name, tokens in told.items() if tokens > EVICTED}


paths = st.lists(st.integers(0, 1), min_size=1, max_size=10).map(tuple)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("request"), paths),
        st.tuples(st.just("evict"), st.integers(0, 1), paths),
        st.tuples(st.just("news")),
        st.tuples(st.just("clear")),
    ),
    max_size=40,
)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@settings(max_examples=300, deadline=None)
@given(steps=steps)
def test_what_was_told_is_never_more_than_the_engine_would_find(layout: list[Group], steps: list[tuple[object, ...]]) -> None:
    chains = ResidentChains(layout, BLOCK_BYTES, capacity=1000)
    cache = ReferenceCache(layout, chains)
    told: dict[bytes, int] = {}
    asked: set[Path] = set()
    for number, step in enumerate(steps):
        match step:
            case ("request", tuple() as path):
                ask(chains, cache, path, str(number))
                asked.add(path)
            case ("evict", int() as group, tuple() as path):
                cache.evict(group % len(layout), path)
            case ("clear",):
                cache = ReferenceCache(layout, chains)
                chains.cleared()
            case _:
                told = after(told, chains.news())
    told = after(told, chains.news())
    chains.check_integrity()
    for path in asked:
        for end, name in enumerate(chain_of(path), 1):
            assert told.get(name, 0) <= cache.hit(path[:end]) * BLOCK_TOKENS


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@settings(max_examples=100, deadline=None)
@given(earlier=st.lists(paths, max_size=8), path=paths)
def test_a_prompt_that_was_just_answered_is_told_of_as_far_as_the_engine_would_find_it(
    layout: list[Group], earlier: list[Path], path: Path
) -> None:
    chains = ResidentChains(layout, BLOCK_BYTES, capacity=1000)
    cache = ReferenceCache(layout, chains)
    told: dict[bytes, int] = {}
    found = 0
    for number, other in enumerate([*earlier, path]):
        found = ask(chains, cache, other, str(number))
        told = after(told, chains.news())
    # Nothing is heard of a request for which nothing was stored; an engine computes at least the last token anew.
    assume(found < len(path))
    assert told.get(chain_of(path)[-1], 0) == cache.hit(path) * BLOCK_TOKENS


def test_hashes_lie_where_their_part_of_the_tokens_ends() -> None:
    chains = ResidentChains([FULL], 100, capacity=100)
    # 300 bytes are 60 tokens: the chain's blocks end at 20, 40 and 60 of them, engine blocks at 16, 32 and 48.
    names = chain_of((1, 1, 1))
    chains.expect("r", "org", names, 300)
    chains.stored(0, [b"a", b"b", b"c"], None, "r")
    chains.computed("r", 60)
    assert chains.news() == {names[0]: 16, names[1]: 32, names[2]: 48}


def test_events_may_come_after_the_answer() -> None:
    chains = ResidentChains([FULL], BLOCK_BYTES, capacity=100)
    names = chain_of((1, 2))
    chains.expect("r", "org", names, 2 * BLOCK_BYTES)
    chains.computed("r", 2 * BLOCK_TOKENS)
    chains.ended("r")
    assert chains.news() == {}
    chains.stored(0, [b"a", b"b"], None, "r")
    assert chains.news() == {names[0]: 16, names[1]: 32}
    assert not chains._requests


def test_a_request_of_which_nothing_is_heard_is_forgotten() -> None:
    chains = ResidentChains([FULL], BLOCK_BYTES, capacity=100)
    chains.expect("whole prompt was cached", "org", chain_of((1,)), BLOCK_BYTES)
    chains.computed("whole prompt was cached", BLOCK_TOKENS)
    chains.ended("whole prompt was cached")
    chains.expect("failed", "org", chain_of((2,)), BLOCK_BYTES)
    chains.ended("failed")
    for _ in range(10):
        chains.news()
    assert not chains._requests
    assert not chains._computed


def test_a_new_salt_moves_a_chain_to_its_new_blocks() -> None:
    chains = ResidentChains([FULL], BLOCK_BYTES, capacity=100)
    names = chain_of((1, 2))
    for salt in (b"old", b"new"):
        chains.expect(salt.hex(), "org", names, 2 * BLOCK_BYTES)
        chains.stored(0, [salt + b"a", salt + b"b"], None, salt.hex())
        chains.computed(salt.hex(), 2 * BLOCK_TOKENS)
        chains.ended(salt.hex())
        chains.news()
    chains.removed(0, [b"oldb", b"olda"])
    assert chains.news() == {}
    chains.removed(0, [b"newb"])
    assert chains.news() == {names[1]: EVICTED}


def test_an_evicted_tail_takes_only_what_ends_there() -> None:
    chains = ResidentChains([FULL], BLOCK_BYTES, capacity=100)
    cache = ReferenceCache([FULL], chains)
    ask(chains, cache, (1, 2, 3), "r")
    names = chain_of((1, 2, 3))
    assert chains.news() == {names[0]: 16, names[1]: 32, names[2]: 48}
    cache.evict(0, (1, 2, 3))
    assert chains.news() == {names[2]: EVICTED}
    cache.evict(0, (1,))
    assert chains.news() == {names[0]: EVICTED, names[1]: EVICTED}
    assert chains.hashes == 0


def test_no_organization_can_push_out_one_within_its_share() -> None:
    chains = ResidentChains([FULL], BLOCK_BYTES, capacity=20)
    cache = ReferenceCache([FULL], chains)
    ask(chains, cache, (1, 2, 3), "small", org=1)
    small = chain_of((1, 2, 3), org=1)
    told = after({}, chains.news())
    untold = 0
    for number in range(20):
        # The same blocks under ever new chains, as with ever new prompt cache keys.
        chains.expect(str(number), "large", chain_of((1, 2, 3), org=100 + number), 3 * BLOCK_BYTES)
        cache.request((1, 2, 3, number), str(number))
        chains.computed(str(number), 3 * BLOCK_TOKENS)
        chains.ended(str(number))
        news = chains.news()
        untold += sum(tokens == UNTOLD for tokens in news.values())
        told = after(told, news)
        chains.check_integrity()
    assert chains.hashes <= 20
    assert untold > 0
    assert [told.get(name) for name in small] == [16, 32, 48]
    # Nothing of what was pushed out stays behind on the blocks.
    assert sum(len(block.watchers or ()) for block in chains._tree._blocks.values()) == len(chains._links)

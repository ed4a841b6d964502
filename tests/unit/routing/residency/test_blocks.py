from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.routing.residency.blocks import BlockTree, Group, UnsupportedCache
from tests.unit.routing.residency.reference_cache import BLOCK_TOKENS, Path, ReferenceCache, key

FULL = Group(BLOCK_TOKENS)
WINDOW = Group(BLOCK_TOKENS, window_tokens=3 * BLOCK_TOKENS)
LAYOUTS = {"full": [FULL], "gpt-oss": [WINDOW, FULL], "two of each": [WINDOW, FULL, WINDOW, FULL]}

paths = st.lists(st.integers(0, 1), min_size=1, max_size=12).map(tuple)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("request"), paths),
        st.tuples(st.just("evict"), st.integers(0, 3), paths),
        st.tuples(st.just("evict tail"), paths),
    ),
    max_size=40,
)


def served_tokens(tree: BlockTree, path: Path) -> int | None:
    """``None``: the tree doesn't know the path's last block."""
    block = tree._blocks.get(key(path))
    return tree.served(block)[0] if block is not None else None


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@settings(max_examples=300, deadline=None)
@given(steps=steps)
def test_the_tree_serves_what_the_engine_would_find(layout: list[Group], steps: list[tuple[object, ...]]) -> None:
    tree = BlockTree(layout)
    cache = ReferenceCache(layout, tree)
    seen: set[Path] = set()
    full = [number for number, group in enumerate(layout) if group.window_tokens is None]
    for step in steps:
        match step:
            case ("request", tuple() as path):
                cache.request(path)
                seen |= {path[:end] for end in range(1, len(path) + 1)}
            case ("evict", int() as number, tuple() as path):
                cache.evict(number % len(layout), path)
            case ("evict tail", tuple() as path):
                for number in range(len(layout)):
                    cache.evict(number, path)
        tree.check_integrity()
    for path in seen:
        served = served_tokens(tree, path)
        whole = all(cache.copies[number][path[:end]] for number in full for end in range(1, len(path) + 1))
        if served:
            # Never more than the engine would find.
            assert whole
            assert served == cache.hit(path) * BLOCK_TOKENS
        elif whole and not _was_orphaned(tree, path):
            assert cache.hit(path) == 0


def _was_orphaned(tree: BlockTree, path: Path) -> bool:
    """A block in the middle had gone and come back: what followed it stays unknown until it is told of again."""
    return any(tree._blocks[key(path[:end])].parent is None for end in range(1, len(path) + 1))


def test_a_block_kept_twice_is_gone_with_its_second_copy() -> None:
    tree = BlockTree([FULL])
    tree.stored(0, [b"a", b"b"], None)
    tree.stored(0, [b"a", b"b"], None)
    block = tree._blocks[b"b"]
    tree.removed(0, [b"b"])
    assert tree.served(block)[0] == 2 * BLOCK_TOKENS
    tree.removed(0, [b"b"])
    assert tree.served(block)[0] == 0


def test_what_follows_an_evicted_block_is_not_served() -> None:
    tree = BlockTree([FULL])
    tree.stored(0, [b"a", b"b", b"c"], None)
    block = tree._blocks[b"c"]
    tree.watch(b"prefix", block, block)
    tree.removed(0, [b"a"])
    assert tree.served(block)[0] == 0
    assert tree.touched == {b"prefix"}


def test_a_prefix_counts_only_as_far_as_both_groups_of_gpt_oss_serve_it() -> None:
    tree = BlockTree([WINDOW, FULL])
    names = [bytes([number]) for number in range(8)]
    # The windows of three blocks that end with the fourth block and with the last are kept.
    tree.stored(0, names[1:4] + names[5:8], None)
    tree.stored(1, names, None)
    last = tree._blocks[names[7]]
    assert tree.served(last)[0] == 8 * BLOCK_TOKENS
    assert tree.served(tree._blocks[names[5]])[0] == 4 * BLOCK_TOKENS
    tree.removed(0, [names[6]])
    assert tree.served(last)[0] == 4 * BLOCK_TOKENS
    tree.removed(0, [names[3]])
    assert tree.served(last)[0] == 0
    tree.check_integrity()


def test_the_first_window_may_be_shorter() -> None:
    tree = BlockTree([WINDOW, FULL])
    tree.stored(0, [b"a"], None)
    tree.stored(1, [b"a", b"b"], None)
    assert tree.served(tree._blocks[b"b"])[0] == BLOCK_TOKENS


def test_memory_follows_what_is_resident() -> None:
    tree = BlockTree([WINDOW, FULL])
    names = [bytes([number]) for number in range(100)]
    for group in (0, 1):
        tree.stored(group, names, None)
    assert len(tree) == 100
    for group in (0, 1):
        tree.removed(group, reversed(names))
    assert len(tree) == 0
    assert not tree._root.children


def test_clearing_forgets_everything_and_touches_what_was_watched() -> None:
    tree = BlockTree([FULL])
    block = tree.stored(0, [b"a"], None)
    assert block is not None
    tree.watch(b"prefix", block, block)
    tree.clear()
    assert len(tree) == 0
    assert tree.touched == {b"prefix"}
    assert tree.served(block)[0] == 0
    tree.stored(0, [b"a"], None)
    tree.check_integrity()


@pytest.mark.parametrize("groups", [[], [WINDOW], [FULL, Group(32)]], ids=["none", "no full attention", "two block sizes"])
def test_a_cache_whose_rule_is_not_known_is_refused(groups: list[Group]) -> None:
    with pytest.raises(UnsupportedCache):
        BlockTree(groups)

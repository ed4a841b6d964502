from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.routing import chain
from cluster.routing.chain import block_ends, depth_at, prefix_chain, prefix_chain_offloaded

ROOT = b"r" * 32
BLOCK = 64


def chain_of(prompt: bytes, root: bytes = ROOT, model: str = "m", adapter: str | None = None) -> tuple[bytes, ...]:
    return prefix_chain(root, model, adapter, prompt, BLOCK)


@settings(deadline=None)
@given(st.binary(max_size=3000), st.binary(max_size=500), st.binary(max_size=500))
def test_prompts_share_hashes_exactly_as_far_as_their_bytes_agree(common: bytes, left: bytes, right: bytes) -> None:
    one, other = chain_of(common + left), chain_of(common + right)
    same_bytes = next(
        (i for i, (a, b) in enumerate(zip(common + left, common + right, strict=False)) if a != b),
        min(len(common + left), len(common + right)),
    )
    shared = depth_at(same_bytes, BLOCK)
    assert one[:shared] == other[:shared]
    assert not set(one[shared:]) & set(other[shared:])


def test_a_growing_prompt_keeps_its_hashes() -> None:
    prompt = bytes(range(256)) * 400
    whole = chain_of(prompt)
    for length in (100, 1000, 5000, 30_000, 100_000):
        part = chain_of(prompt[:length])
        assert part == whole[: len(part)]


def test_equal_blocks_at_different_depths_hash_differently() -> None:
    hashes = chain_of(b"x" * BLOCK * 50)
    assert len(set(hashes)) == 50


def test_root_model_and_adapter_separate_chains() -> None:
    prompt = b"y" * 10 * BLOCK
    chains = [
        chain_of(prompt),
        chain_of(prompt, root=b"s" * 32),
        chain_of(prompt, model="n"),
        chain_of(prompt, adapter=""),
        chain_of(prompt, adapter="tuned"),
        chain_of(prompt, model="mtuned"),
    ]
    assert len({hash_ for hashes in chains for hash_ in hashes}) == 60


def test_without_the_root_key_hashes_tell_nothing_of_the_prompt() -> None:
    """Two organizations' chains for one prompt have nothing in common that a guess of the prompt could be checked against."""
    prompt = b"z" * 1000
    assert not set(chain_of(prompt, root=b"1" * 32)) & set(chain_of(prompt, root=b"2" * 32))


def test_what_does_not_fill_a_block_has_no_hash() -> None:
    assert chain_of(b"") == chain_of(b"x" * (BLOCK - 1)) == ()
    assert len(chain_of(b"x" * (2 * BLOCK - 1))) == 1


def test_blocks_are_even_first_and_then_grow_with_depth() -> None:
    ends = list(block_ends(1 << 20, 512))
    sizes = [end - start for start, end in pairwise([0, *ends])]
    assert set(sizes[:64]) == {512}
    assert all(after in (before, 2 * before) for before, after in pairwise(sizes))
    # Behind the even part a prefix is named to within a thirty-second of its length.
    assert all(size * 32 <= end for size, end in zip(sizes[64:], ends[64:], strict=True))


@pytest.mark.parametrize(("length", "blocks"), [(600, 1), (60_000, 90), (600_000, 196), (32 << 20, 384)])
def test_the_number_of_blocks_grows_with_the_logarithm_of_the_length(length: int, blocks: int) -> None:
    assert depth_at(length, 512) == blocks


def test_a_chain_stops_at_max_blocks() -> None:
    assert len(prefix_chain(ROOT, "m", None, b"x" * 100_000, 512, max_blocks=10)) == 10


def test_long_prompts_are_hashed_off_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    offloaded: list[int] = []
    to_thread = asyncio.to_thread

    async def spy(function: object, *arguments: object) -> object:
        offloaded.append(len(arguments[3]))  # type: ignore[arg-type]
        return await to_thread(function, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(chain.asyncio, "to_thread", spy)
    short, long = b"s" * 10_000, b"l" * 600_000
    for prompt in (short, long):
        assert asyncio.run(prefix_chain_offloaded(ROOT, "m", None, prompt, 512)) == prefix_chain(ROOT, "m", None, prompt, 512)
    assert offloaded == [len(long)]

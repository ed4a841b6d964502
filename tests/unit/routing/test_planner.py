from __future__ import annotations

import pytest

from cluster.config.settings.routing import RoutingSettings
from cluster.routing.chain import prefix_chain
from cluster.routing.planner import RoutePlanner
from cluster.routing.ticket import RouteTicket

KEY = b"k" * 32


async def plan(planner: RoutePlanner, prompt: bytes, adapter: str | None = None, key: bytes = KEY) -> RouteTicket:
    return await planner.plan(key, "org", "model", adapter, prompt, replicas=4)


async def test_prompts_under_the_threshold_ask_for_no_affinity() -> None:
    planner = RoutePlanner(RoutingSettings())
    assert (await plan(planner, b"x" * 4095)).anchor == b""
    assert (await plan(planner, b"x" * 4096)).anchor != b""
    assert planner.remembered_blocks("model") == 1
    assert planner.remembered_blocks("other") == 0


async def test_a_ticket_carries_the_chain_and_an_anchor_from_it() -> None:
    ticket = await plan(RoutePlanner(RoutingSettings()), b"x" * 600_000)
    assert ticket.chain == prefix_chain(KEY, "model", None, b"x" * 600_000, 512)
    assert ticket.anchor == ticket.chain[7]
    assert ticket.prompt_bytes == 600_000


async def test_a_conversation_keeps_its_anchor_and_another_organization_has_another() -> None:
    planner = RoutePlanner(RoutingSettings())
    prompt = bytes(range(256)) * 20
    first = await plan(planner, prompt)
    assert (await plan(planner, prompt + b"more" * 500)).anchor == first.anchor
    assert (await plan(planner, prompt, key=b"o" * 32)).anchor != first.anchor
    assert (await plan(planner, prompt, adapter="tuned")).anchor != first.anchor


@pytest.mark.parametrize(("tokens", "prompt_bytes"), [(0, 64), (16, 64), (100, 400)])
async def test_the_threshold_can_be_lowered(tokens: int, prompt_bytes: int) -> None:
    planner = RoutePlanner(RoutingSettings(min_affinity_tokens=tokens, block_bytes=64))
    assert (await plan(planner, b"x" * prompt_bytes)).anchor != b""


async def test_a_prompt_without_a_whole_block_has_no_affinity_even_without_threshold() -> None:
    planner = RoutePlanner(RoutingSettings(min_affinity_tokens=0))
    assert (await plan(planner, b"x" * 511)).anchor == b""

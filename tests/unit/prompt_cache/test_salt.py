from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.config.settings.prompt_cache import PromptCacheSettings, Retention
from cluster.prompt_cache import SaltDeriver

SECRET = b"a cluster secret of 32 bytes or so"
HOUR_S, DAY_S = 3600.0, 86400.0
IN_MEMORY, EXTENDED = Retention.IN_MEMORY, Retention.EXTENDED
PROMPT = b"You are the assistant of a hardware store. " * 100


class Clock:
    def __init__(self, now_s: float = 1_800_000_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def deriver(clock: Clock | None = None, secret: bytes = SECRET) -> SaltDeriver:
    return SaltDeriver(secret, PromptCacheSettings(), clock or Clock())


def salt_of(
    salts: SaltDeriver,
    org: str = "org_a",
    model: str = "m",
    retention: Retention = IN_MEMORY,
    prompt: bytes = PROMPT,
    client_salt: str | None = None,
) -> str:
    return salts.salt(org, model, retention, salts.anchor_of(org, prompt), client_salt)


def test_same_org_and_prompt_get_the_same_salt_on_every_gateway() -> None:
    assert salt_of(deriver()) == salt_of(deriver())


def test_a_salt_is_32_bytes_of_base64_without_the_slash_that_vllm_refuses() -> None:
    salts = deriver()
    for number in range(200):
        salt = salt_of(salts, prompt=str(number).encode())
        assert "/" not in salt
        assert len(base64.urlsafe_b64decode(salt)) == 32


def test_every_part_of_the_scope_separates() -> None:
    salts = deriver()
    variants = [
        salt_of(salts),
        salt_of(salts, org="org_b"),
        salt_of(salts, model="n"),
        salt_of(salts, retention=EXTENDED),
        salt_of(salts, client_salt=""),
        salt_of(salts, client_salt="mine"),
        salt_of(deriver(secret=b"another secret of thirty-two bytes")),
    ]
    assert len(set(variants)) == len(variants)


@settings(deadline=None)
@given(st.text(max_size=40), st.text(max_size=40), st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_no_client_salt_reaches_another_organization(mine: str, theirs: str, org: str, victim: str) -> None:
    salts = deriver()
    assert (salt_of(salts, org=org, client_salt=mine) == salt_of(salts, org=victim, client_salt=theirs)) == (
        (org, mine) == (victim, theirs)
    )


def test_a_client_that_sends_a_derived_salt_does_not_get_it() -> None:
    salts = deriver()
    stolen = salt_of(salts, org="org_b")
    assert salt_of(salts, org="org_a", client_salt=stolen) != stolen


def test_a_lone_surrogate_in_a_client_salt_is_no_error() -> None:
    assert salt_of(deriver(), client_salt="\ud800") != salt_of(deriver(), client_salt="\udfff")


@pytest.mark.parametrize(("retention", "period_s"), [(IN_MEMORY, HOUR_S), (EXTENDED, DAY_S)])
def test_a_salt_lives_exactly_one_period(retention: Retention, period_s: float) -> None:
    clock = Clock()
    salts = deriver(clock)
    start_s = clock.now_s
    lives: dict[str, list[float]] = {}
    steps = 400
    for step in range(4 * steps):
        clock.now_s = start_s + step * period_s / steps
        lives.setdefault(salt_of(salts, retention=retention), []).append(clock.now_s)
    whole = [times for times in lives.values() if times[0] > start_s and times[-1] < clock.now_s]
    assert len(whole) >= 3
    for times in whole:
        assert times[-1] - times[0] == pytest.approx(period_s, rel=2 / steps)
        assert times[-1] - times[0] <= period_s


def test_prefixes_expire_at_times_of_their_own() -> None:
    clock = Clock()
    salts = deriver(clock)
    prompts = [f"prompt {number}".encode() for number in range(400)]
    before = [salt_of(salts, prompt=prompt) for prompt in prompts]
    clock.now_s += HOUR_S / 4
    changed = sum(old != salt_of(salts, prompt=prompt) for old, prompt in zip(before, prompts, strict=True))
    assert 60 < changed < 140  # a quarter of them, not all or none


def test_a_growing_conversation_keeps_its_anchor_past_the_first_1024_bytes() -> None:
    salts = deriver()
    assert salts.anchor_of("org_a", PROMPT) == salts.anchor_of("org_a", PROMPT + b" and so on")
    assert salts.anchor_of("org_a", PROMPT[:1024]) == salts.anchor_of("org_a", PROMPT)
    assert salts.anchor_of("org_a", PROMPT[:1023]) != salts.anchor_of("org_a", PROMPT)


def test_anchors_of_the_same_prompt_differ_between_organizations() -> None:
    salts = deriver()
    assert salts.anchor_of("org_a", PROMPT) != salts.anchor_of("org_b", PROMPT)


def test_prefixes_of_different_anchors_share_no_salt_even_in_the_same_epoch() -> None:
    """Else a short prefix would live on under the later expiry of a prompt that begins with it."""
    salts = deriver()
    one, other = salts.anchor_of("org_a", b"short"), salts.anchor_of("org_a", b"short and more")
    assert salts.salt("org_a", "m", IN_MEMORY, one, None) != salts.salt("org_a", "m", IN_MEMORY, other, None)


def test_org_tags_are_stable_distinct_and_opaque() -> None:
    salts = deriver()
    assert salts.org_tag("org_a") == deriver().org_tag("org_a") != salts.org_tag("org_b")
    assert "org_a" not in salts.org_tag("org_a")


def test_routing_keys_separate_what_salts_separate_but_outlive_epochs() -> None:
    clock = Clock()
    salts = deriver(clock)
    keys = [
        salts.routing_key("org_a", IN_MEMORY),
        salts.routing_key("org_b", IN_MEMORY),
        salts.routing_key("org_a", EXTENDED),
        salts.routing_key("org_a", IN_MEMORY, client_salt="x"),
        salts.routing_key("org_a", IN_MEMORY, prompt_cache_key="x"),
    ]
    assert len(set(keys)) == len(keys)
    clock.now_s += 10 * DAY_S
    assert salts.routing_key("org_a", IN_MEMORY) == keys[0]


def test_without_an_organization_there_is_no_salt() -> None:
    salts = deriver()
    with pytest.raises(ValueError, match="organization"):
        salts.salt("", "m", IN_MEMORY, b"", None)
    with pytest.raises(ValueError, match="organization"):
        salts.routing_key("", IN_MEMORY)

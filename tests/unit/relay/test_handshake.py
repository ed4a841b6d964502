from __future__ import annotations

import pickle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.relay.channel.handshake import ChannelKey, new_life, new_nonce
from cluster.relay.channel.messages import Hello

SECRET = b"a secret of thirty-two bytes or so"
KEY = ChannelKey.of(SECRET)
CHALLENGE = b"c" * 32


def hello(key: ChannelKey = KEY, challenge: bytes = CHALLENGE) -> Hello:
    return key.hello(challenge, b"g" * 16, "replica-1", b"r" * 16, b"n" * 32)


def test_both_ends_accept_each_other_with_the_same_secret() -> None:
    assert KEY.admits(CHALLENGE, hello())
    assert KEY.trusts(CHALLENGE, hello(), ChannelKey.of(SECRET).welcome(CHALLENGE, hello()))


def test_another_secret_is_refused_by_both_ends() -> None:
    other = ChannelKey.of(SECRET[::-1])
    assert not KEY.admits(CHALLENGE, hello(other))
    assert not KEY.trusts(CHALLENGE, hello(), other.welcome(CHALLENGE, hello()))


def test_a_proof_does_not_hold_for_another_challenge() -> None:
    assert not KEY.admits(b"d" * 32, hello())
    assert not KEY.trusts(b"d" * 32, hello(), KEY.welcome(CHALLENGE, hello()))


def test_a_proof_sent_back_to_its_maker_does_not_hold() -> None:
    welcome = KEY.welcome(CHALLENGE, hello())
    assert hello().proof != welcome.proof
    assert not KEY.admits(CHALLENGE, msgspec.structs.replace(hello(), proof=welcome.proof))


@given(st.sampled_from(["gateway_life", "replica_life", "nonce", "proof"]), st.integers(0, 1000), st.integers(1, 255))
def test_a_proof_holds_for_none_of_its_facts_changed(field: str, place: int, change: int) -> None:
    honest = hello()
    value = bytearray(getattr(honest, field))
    value[place % len(value)] ^= change
    assert not KEY.admits(CHALLENGE, msgspec.structs.replace(honest, **{field: bytes(value)}))


@given(st.text(max_size=20))
def test_a_proof_holds_for_no_other_name(replica_id: str) -> None:
    assert KEY.admits(CHALLENGE, msgspec.structs.replace(hello(), replica_id=replica_id)) == (replica_id == "replica-1")


def test_a_short_challenge_of_the_replica_is_refused() -> None:
    short = KEY.hello(CHALLENGE, b"g" * 16, "replica-1", b"r" * 16, b"n")
    assert not KEY.admits(CHALLENGE, short)


@pytest.mark.parametrize("proof", [b"", b"x", b"x" * 33])
def test_a_proof_of_another_length_is_refused(proof: bytes) -> None:
    assert not KEY.admits(CHALLENGE, msgspec.structs.replace(hello(), proof=proof))


def test_lives_and_challenges_do_not_come_back() -> None:
    assert len({new_life() for _ in range(100)} | {new_nonce() for _ in range(100)}) == 200


def test_the_key_is_in_no_text_and_travels_whole() -> None:
    assert KEY._keys[0].hex() not in repr(KEY) + str(KEY)
    assert repr(KEY._keys[0]) not in repr(KEY)
    assert pickle.loads(pickle.dumps(KEY)).admits(CHALLENGE, hello())


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32"):
        ChannelKey.of(b"short")

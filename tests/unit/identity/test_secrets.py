"""The shape and the strength of ids and keys."""

from __future__ import annotations

import hashlib
import math

import pytest

from cluster.identity.models import ApiKey, NewKey
from cluster.identity.secrets import hint, is_id, is_secret, new_id, new_secret, secret_hash


def test_ids_carry_128_random_bits() -> None:
    ids = {new_id("org") for _ in range(1000)}
    assert len(ids) == 1000
    assert all(is_id("org", one) and len(one.removeprefix("org_")) * 4 == 128 for one in ids)


def test_an_id_of_another_kind_is_no_id() -> None:
    assert not is_id("key", new_id("org"))
    assert not any(is_id("org", bad) for bad in ("", "org_", "org_" + "g" * 32, new_id("org") + "\n", new_id("org")[:-1]))


@pytest.mark.parametrize(("admin", "prefix"), [(False, "sk-"), (True, "sk-admin-")])
def test_a_key_keeps_256_secret_bits_even_from_those_who_see_its_hint(admin: bool, prefix: str) -> None:
    secret = new_secret(admin=admin)
    assert secret.startswith(prefix)
    assert is_secret(secret)
    random = secret.removeprefix(prefix)
    assert random.isalnum()
    assert (len(random) - len(hint(secret))) * math.log2(62) >= 256


def test_keys_differ_in_every_place() -> None:
    secrets = [new_secret() for _ in range(500)]
    assert len(set(secrets)) == 500
    assert all(len(set(column)) > 30 for column in list(zip(*secrets, strict=True))[len("sk-") :])


@pytest.mark.parametrize(
    "text", ["", "sk-", "sk-short", "SK-" + "a" * 48, "sk-" + "a" * 300, "sk-" + "ä" * 48, "sk-" + "a" * 48 + "\n"]
)
def test_what_does_not_look_like_a_key_is_none(text: str) -> None:
    assert not is_secret(text)


def test_the_stored_hash_is_sha_256() -> None:
    secret = new_secret()
    assert secret_hash(secret) == hashlib.sha256(secret.encode()).digest()


def test_a_new_key_shows_its_secret_only_where_it_is_asked_for() -> None:
    secret = new_secret()
    key = ApiKey("key_1", "org_1", "proj_1", False, "ci", hint(secret), 1, None, None)
    new = NewKey(key, secret)
    assert secret not in repr(new)
    assert secret not in str(new)
    assert new.to_json()["key"] == secret
    assert key.to_json() == {
        "object": "organization.project.api_key",
        "id": "key_1",
        "organization_id": "org_1",
        "project_id": "proj_1",
        "name": "ci",
        "redacted_value": f"sk-…{secret[-4:]}",
        "created_at": 1,
        "last_used_at": None,
        "revoked_at": None,
    }

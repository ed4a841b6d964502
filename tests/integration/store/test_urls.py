"""Which databases can be named."""

from __future__ import annotations

import pytest

from cluster.store.database import parse_url


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("sqlite:///cluster.db", "sqlite+aiosqlite"),
        ("sqlite+aiosqlite:////var/lib/cluster.db", "sqlite+aiosqlite"),
        ("postgresql://u:p@h/d", "postgresql+asyncpg"),
        ("postgresql+asyncpg://u:p@h:5433/d", "postgresql+asyncpg"),
    ],
)
def test_both_databases_get_their_asynchronous_driver(given: str, driver: str) -> None:
    assert parse_url(given).drivername == driver


@pytest.mark.parametrize(
    "given",
    ["", "nonsense secret-password", "mysql://u:secret-password@h/d", "postgresql+psycopg://u:secret-password@h/d",
     "sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"],
)  # fmt: skip
def test_other_urls_are_refused_without_repeating_the_password(given: str) -> None:
    with pytest.raises(ValueError, match=r"database\.url") as caught:
        parse_url(given)
    assert "secret-password" not in str(caught.value)
    assert caught.value.__cause__ is None

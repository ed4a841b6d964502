"""Databases of both kinds, as the store's tests have them."""

from __future__ import annotations

from tests.integration.store.conftest import (
    dialect,
    empty_postgres_url,
    empty_url,
    fresh_postgres_url,
    postgres_template,
    postgres_url,
)

__all__ = ["dialect", "empty_postgres_url", "empty_url", "fresh_postgres_url", "postgres_template", "postgres_url"]

"""Where state is kept."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from cluster.config.settings.section import Section

DATABASE_DRIVERS = ("postgresql+asyncpg", "sqlite+aiosqlite")


class DatabaseSettings(Section):
    """Where organizations, projects, keys and the usage ledger live."""

    url: SecretStr | None = Field(
        None,
        description="SQLAlchemy URL (`postgresql+asyncpg://…` or `sqlite+aiosqlite:///…`); unset: SQLite in the data folder.",
    )
    pool_size: int = Field(5, ge=1, le=100, description="Connections that each gateway keeps to PostgreSQL.")
    timeout_s: float = Field(5.0, gt=0, description="Longest wait for a connection or a statement, in seconds.")

    max_late_usage_rows: int = Field(
        50_000,
        ge=0,
        le=10_000_000,
        description="Rows of the usage ledger that each gateway keeps in memory while the database is away, at about 1 KiB each, "
        "and writes when it is back; of more than that, the gateway's log alone has the rows.",
    )

    @field_validator("url")
    @classmethod
    def _supported(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        driver, separator, rest = url.get_secret_value().partition("://")
        if not separator or driver not in DATABASE_DRIVERS:
            raise ValueError(f"must start with {' or '.join(f'{name}://' for name in DATABASE_DRIVERS)}")
        if driver.startswith("sqlite") and (not rest.strip("/") or ":memory:" in rest or "mode=memory" in rest):
            raise ValueError("an in-memory SQLite is a different, empty database in every process; name a file")
        return url

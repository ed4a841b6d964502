"""Keys and their organizations."""

from __future__ import annotations

from pydantic import Field, SecretStr

from cluster.config.settings.section import Section


class IdentitySettings(Section):
    """API keys."""

    development_organization: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="Organization to create at start, with an API key written to `endpoints.json`; for trials. Unset: none.",
    )
    admin_key: SecretStr | None = Field(
        None,
        description="Admin key that is valid from the start (`sk-admin-` and 48 random letters and digits); unset: made once in "
        "the data folder.",
    )
    poll_interval_s: float = Field(
        0.25,
        gt=0,
        le=0.5,
        description="How often each gateway looks for revoked keys, in seconds; a revocation holds within 1 s.",
    )
    outage_grace_s: float = Field(
        30.0, ge=0, description="How long keys already known keep working while the database can't be reached, in seconds."
    )
    max_cached_keys: int = Field(100_000, ge=100, description="Keys that each gateway remembers.")

"""Prompt caching."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, model_validator

from cluster.config.problems import Contradiction, Problem
from cluster.config.settings.section import Section


class Retention(StrEnum):
    IN_MEMORY = "in_memory"
    EXTENDED = "24h"


class PromptCacheSettings(Section):
    """How long a cached prompt prefix may be reused."""

    default_retention: Retention = Field(Retention.IN_MEMORY, description="Retention of requests that name none.")
    in_memory_period_s: float = Field(3600.0, ge=1, description="Longest life of an `in_memory` prefix, in seconds.")
    extended_period_s: float = Field(86400.0, ge=1, description="Longest life of a `24h` prefix, in seconds.")

    @model_validator(mode="after")
    def _ordered(self) -> PromptCacheSettings:
        if self.extended_period_s < self.in_memory_period_s:
            raise Contradiction(
                [Problem(("extended_period_s",), f"must not be shorter than in_memory_period_s ({self.in_memory_period_s:g})")]
            )
        return self

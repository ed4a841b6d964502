"""Configurations to look at, and what a check said about one thing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.config.schema import ClusterConfig
from cluster.runtime.doctor.finding import Check, Finding

Configured = Callable[..., ClusterConfig]


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    """A configuration with one model; keywords replace its sections."""

    def make(**sections: Any) -> ClusterConfig:
        model = {"id": "m", "source": str(tmp_path / "model")}
        return ClusterConfig.model_validate({"data_dir": tmp_path / "data", "models": [model], **sections})

    return make


def said(check: Check) -> dict[str, Finding]:
    """By subject."""
    return {finding.subject: finding for finding in asyncio.run(_found(check))}


async def _found(check: Check) -> list[Finding]:
    return list(await check.findings())

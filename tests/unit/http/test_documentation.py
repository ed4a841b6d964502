from __future__ import annotations

import re
from pathlib import Path

import pytest

from cluster.inference.requests import chat, completion
from tests.unit.http.conftest import Edge

PAGE = (Path(__file__).parents[3] / "docs" / "http-api.md").read_text()
SOURCES = [
    path
    for folder in ("cluster/inference/requests", "cluster/edges/http")
    for path in (Path(__file__).parents[3] / folder).glob("*.py")
]
CODES = sorted({code for path in SOURCES for code in re.findall(r'code="(\w+)"', path.read_text())})


@pytest.mark.parametrize(
    "name",
    sorted({*chat.ChatFields.model_fields, *chat.REFUSED, *completion.CompletionFields.model_fields, *completion.REFUSED}),
)
def test_every_field_is_documented(name: str) -> None:
    assert f"`{name}`" in PAGE or f"`{name}:" in PAGE


@pytest.mark.parametrize("code", CODES)
def test_every_error_code_is_documented(code: str) -> None:
    assert f"`{code}`" in PAGE


async def test_every_endpoint_is_documented(edge: Edge) -> None:
    endpoints = (await edge.request("GET", "/")).json()["endpoints"]
    assert len(endpoints) > 10
    assert [endpoint for endpoint in endpoints if f"`{endpoint.replace(':path', '')}`" not in PAGE] == []

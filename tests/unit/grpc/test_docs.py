"""docs/grpc.md is true: its examples run, and its table of errors is the code's."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import grpc
import pytest

from cluster.edges.grpc import errors as mapping
from cluster.edges.grpc.generated.ossature.v1.chat_pb2_grpc import ChatServiceStub
from cluster.edges.grpc.registration import SERVICES
from cluster.errors import Overloaded, StoreUnavailable
from tests.unit.grpc.conftest import AUTH, Edge
from tests.unit.grpc.messages import request

TEXT = (Path(__file__).parents[3] / "docs" / "grpc.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def example(start: str, edge: Edge) -> str:
    """The example that begins like this, for the server under test."""
    (found,) = (code for code in EXAMPLES if code.startswith(start))
    return found.replace("127.0.0.1:9000", edge.address).replace("sk-…", "sk-acme").replace("gpt-oss-demo", "demo")


async def run(code: str, **names: object) -> dict[str, object]:
    await asyncio.to_thread(exec, code, names)
    return names


async def test_first_example_answers_and_streams(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
    await run(example("import grpc\n\nfrom cluster", edge))
    assert capsys.readouterr().out == "Hello.\n1920\nHi"


async def test_tool_example_is_accepted(edge: Edge) -> None:
    names = await run(
        example("import json\n\nfrom cluster.edges.grpc.generated.ossature.v1 import tool_pb2", edge), request=request()
    )
    await edge.chat.CreateChatCompletion(names["request"], metadata=AUTH)
    assert b'"required":["item"]' in edge.inference.asked[0][1].engine_body()


async def test_reflection_example_answers(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
    await run(example("import grpc\nfrom google", edge))
    assert capsys.readouterr().out == "Hello.\n"


async def test_error_example_tells_when_to_come_back(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
    edge.inference.error = Overloaded("Full.", retry_after_s=2)
    with grpc.insecure_channel(edge.address) as channel:
        await run(example("from google.rpc", edge), grpc=grpc, chat=ChatServiceStub(channel), request=request(), auth=AUTH)
    assert capsys.readouterr().out == "UNAVAILABLE: again in 2000 ms\n"


def test_table_of_errors_has_every_code_that_the_edge_sets() -> None:
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", TEXT, re.MULTILINE))
    assert documented == {code.name for code in mapping.CODES.values()} | {"INTERNAL", "CANCELLED"}


@pytest.mark.parametrize(
    ("code", "status"), [("concurrency_limit_exceeded", "RESOURCE_EXHAUSTED"), (StoreUnavailable.default_code, "UNAVAILABLE")]
)
def test_limits_and_outages_are_in_the_row_of_their_status(code: str, status: str) -> None:
    (row,) = re.findall(rf"^\| `{status}` \|.*$", TEXT, re.MULTILINE)
    assert f"`{code.upper()}`" in row


def test_every_service_and_method_is_listed() -> None:
    for service in SERVICES:
        assert f"`{service.full_name}`" in TEXT
        assert all(f"`{method.name}`" in TEXT for method in service.methods)

"""What docs/grpc.md says of conversations is true."""

from __future__ import annotations

import asyncio
import re

import pytest

from cluster.edges.grpc.generated.ossature.realtime.v1 import session_pb2
from tests.unit.grpc.test_docs import EXAMPLES, TEXT
from tests.unit.realtime.calls import grpc_served
from tests.unit.realtime.fake_cluster import Cluster


@pytest.mark.parametrize("speaks", [True, False], ids=["spoken", "written"])
async def test_conversation_example_is_answered(capsys: pytest.CaptureFixture[str], speaks: bool) -> None:
    (example,) = (code for code in EXAMPLES if "async def converse" in code)
    async with grpc_served(Cluster(speaks=speaks)) as address:
        code = example.replace("127.0.0.1:9000", address).replace("sk-…", "sk-acme").replace("gpt-oss-demo", "demo")
        await asyncio.to_thread(exec, code, {})
    assert capsys.readouterr().out == "session_created\nYou said: Who are you?."


def test_fields_for_null_are_listed() -> None:
    fields = {field.name for message in session_pb2.DESCRIPTOR.message_types_by_name.values() for field in message.fields}
    (listed,) = re.findall(r"has a field `no_…`: (.*?)\. Lists", TEXT, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", listed)) == {name for name in fields if name.startswith("no_")}

"""What a newcomer reads when the cluster is up: addresses, a key, and one line each to try."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from cluster.runtime.endpoints import Endpoints

_TRY_IT = "Who are you?"


def welcome(endpoints: Endpoints, elapsed_s: float) -> str:
    """The text; without an API key it says how to make one."""
    lines = [
        "",
        f"Ossature is serving {', '.join(endpoints.models)} (ready after {elapsed_s:.0f} s).",
        "",
        f"  HTTP     {endpoints.http}/v1",
        *([f"  gRPC     {endpoints.grpc}"] if endpoints.grpc else []),
        f"  Metrics  {endpoints.metrics}",
        f"  API key  {endpoints.api_key or 'none yet: ossature org create NAME && ossature key create --org NAME'}",
        "",
    ]
    if endpoints.api_key is not None:
        lines += ["Try it:", "", *_indented(_curl(endpoints), _python(endpoints), *([_grpc(endpoints)] if endpoints.grpc else []))]
        lines += [f"  {_program('ossature')} chat", ""]
    lines += ["Stop it with Ctrl-C.", ""]
    return "\n".join(lines)


def _indented(*snippets: str) -> list[str]:
    return [line for snippet in snippets for line in (f"  {snippet}", "")]


def _curl(endpoints: Endpoints) -> str:
    body = f'{{"model": "{endpoints.models[0]}", "messages": [{{"role": "user", "content": "{_TRY_IT}"}}]}}'
    return (
        f"curl {endpoints.http}/v1/chat/completions -H {shlex.quote(f'Authorization: Bearer {endpoints.api_key}')} "
        f"-H 'Content-Type: application/json' -d {shlex.quote(body)}"
    )


def _python(endpoints: Endpoints) -> str:
    program = (
        f'from openai import OpenAI; print(OpenAI(base_url="{endpoints.http}/v1", api_key="{endpoints.api_key}")'
        f'.chat.completions.create(model="{endpoints.models[0]}", messages=[{{"role": "user", "content": "{_TRY_IT}"}}])'
        ".choices[0].message.content)"
    )
    return f"{_program('python')} -c {shlex.quote(program)}"


def _grpc(endpoints: Endpoints) -> str:
    program = (
        "import grpc; from cluster.edges.grpc.generated.ossature.v1 import chat_pb2 as c, chat_pb2_grpc as s, message_pb2 as m; "
        f'print(s.ChatServiceStub(grpc.insecure_channel("{endpoints.grpc}")).CreateChatCompletion('
        f'c.CreateChatCompletionRequest(model="{endpoints.models[0]}", '
        f'messages=[m.ChatMessage(role=m.ROLE_USER, content="{_TRY_IT}")]), '
        f'metadata=[("authorization", "Bearer {endpoints.api_key}")]).choices[0].message.content)'
    )
    return f"{_program('python')} -c {shlex.quote(program)}"


def _program(name: str) -> str:
    """How to call a program of this environment from here: its bare name where that finds it, else the shortest path."""
    ours = Path(sys.executable).with_name(name)
    found = shutil.which(name)
    if found is not None and Path(found).resolve() == ours.resolve() and Path(found).parent == ours.parent:
        return name
    return min((str(ours), os.path.relpath(ours)), key=len)

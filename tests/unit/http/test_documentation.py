from __future__ import annotations

import re
from pathlib import Path

import pytest

from cluster.inference.requests import chat, completion
from cluster.spoken.speech import RECOGNITION_MODELS, SYNTHESIS_MODELS
from cluster.spoken.speech_request import SpeechFields
from cluster.spoken.transcription_request import TranscriptionFields
from tests.unit.http.conftest import Edge

PAGE = (Path(__file__).parents[3] / "docs" / "http-api.md").read_text()
AUDIO_PAGE = (Path(__file__).parents[3] / "docs" / "audio.md").read_text()
CLUSTER = Path(__file__).parents[3] / "cluster"
SOURCES = [
    CLUSTER / "errors.py",
    *(
        path
        for folder in (
            "inference/requests",
            "edges/http",
            "admission",
            "identity",
            "store",
            "spoken",
            "spoken/chat",
            "speech",
            "evals",
            "evals/runs",
        )
        for path in (CLUSTER / folder).glob("*.py")
        # Its errors end a start, before there is anybody to answer.
        if path != CLUSTER / "identity" / "bootstrap.py"
    ),
]
CODES = sorted({code for path in SOURCES for code in re.findall(r'code ?= ?"(\w+)"', path.read_text())})
ERROR_TABLE = PAGE[PAGE.index("## Errors") : PAGE.index("## Headers of an answer")]


@pytest.mark.parametrize(
    "name",
    sorted({*chat.ChatFields.model_fields, *chat.REFUSED, *completion.CompletionFields.model_fields, *completion.REFUSED}),
)
def test_every_field_is_documented(name: str) -> None:
    assert f"`{name}`" in PAGE or f"`{name}:" in PAGE


@pytest.mark.parametrize("code", CODES)
def test_every_error_code_is_documented(code: str) -> None:
    assert f"`{code}`" in ERROR_TABLE


def test_codes_of_every_part_of_the_cluster_were_found() -> None:
    """One for each of the sources."""
    assert {
        "engine_failed",
        "unknown_parameter",
        "unknown_url",
        "concurrency_limit_exceeded",
        "mismatched_project",
        "store_unavailable",
    } <= set(CODES)


async def test_every_endpoint_is_documented(edge: Edge) -> None:
    endpoints = (await edge.request("GET", "/")).json()["endpoints"]
    assert len(endpoints) > 10
    assert [endpoint for endpoint in endpoints if f"`{endpoint.replace(':path', '')}`" not in PAGE] == []


async def test_every_endpoint_of_speech_is_documented(speaking: Edge) -> None:
    endpoints = (await speaking.request("GET", "/")).json()["endpoints"]
    assert [endpoint for endpoint in endpoints if "/audio/" in endpoint and f"`{endpoint}`" not in PAGE] == []


@pytest.mark.parametrize("name", sorted({*SpeechFields.model_fields, *TranscriptionFields.model_fields}))
def test_every_field_of_audio_requests_is_documented(name: str) -> None:
    assert f"`{name}`" in AUDIO_PAGE or f"`{name}[]`" in AUDIO_PAGE


@pytest.mark.parametrize("name", [*RECOGNITION_MODELS, *SYNTHESIS_MODELS])
def test_every_name_of_speech_is_documented(name: str) -> None:
    assert f"`{name}`" in AUDIO_PAGE

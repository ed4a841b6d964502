"""Evals, runs and output items: from requests to the JSON that evals and runs check, and from what they show to messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cluster.edges.grpc.generated.ossature.v1 import eval_definition_pb2, eval_run_pb2, jobs_pb2
from cluster.edges.grpc.translate.nesting import flattened, nested
from cluster.edges.grpc.translate.shapes import filled
from cluster.jobs.model import JobEvent

_COMPLETIONS = "completions"
_NO_ERROR = {"code": "", "message": ""}
"""Where the contract has no place for the absence of an error."""


def with_chat_sampling(source: dict[str, Any]) -> dict[str, Any]:
    """A run's ``data_source`` with tools and response format as chat requests have them. Changes ``source`` alone."""
    sampling = source.get("sampling_params")
    if source["type"] == _COMPLETIONS and sampling is not None:
        if "response_format" in sampling:
            sampling["response_format"] = nested(sampling["response_format"])
        if "tools" in sampling:
            sampling["tools"] = [{"type": "function", **tool} for tool in sampling["tools"]]
    return source


def eval_of(shown: Mapping[str, Any]) -> eval_definition_pb2.Eval:
    """From OpenAI's ``Eval``."""
    document = _plain(shown)
    config = document["data_source_config"]
    if "metadata" in config:
        # The contract lets values be anything; what they are compared with are texts.
        config["metadata"] = {name: str(value) for name, value in (config["metadata"] or {}).items()}
    return filled(eval_definition_pb2.Eval(), document)


def run_of(shown: Mapping[str, Any], *, with_source: bool = True) -> eval_run_pb2.EvalRun:
    """From OpenAI's ``EvalRun``, whose source may be as large as a request."""
    document = _plain(shown if with_source else {name: value for name, value in shown.items() if name != "data_source"})
    if with_source:
        sampling = document["data_source"].get("sampling_params") or {}
        if sampling.get("response_format") is not None:
            sampling["response_format"] = flattened(sampling["response_format"])
    _drop_no_error(document)
    return filled(eval_run_pb2.EvalRun(), document)


def item_of(shown: Mapping[str, Any]) -> eval_run_pb2.EvalRunOutputItem:
    """From OpenAI's ``EvalRunOutputItem``."""
    document = _plain(shown)
    _drop_no_error(document["sample"])
    return filled(eval_run_pb2.EvalRunOutputItem(), document)


def event_of(event: JobEvent) -> jobs_pb2.JobEvent:
    shown = {"id": event.id, "created_at": event.created_at, "level": event.level, "message": event.message, "data": event.data}
    return filled(jobs_pb2.JobEvent(), shown)


def size_bytes(*shown: Mapping[str, Any]) -> int:
    """Of what is JSON text in it already: the rest is small."""
    return sum(memoryview(value).nbytes for each in shown for value in each.values() if isinstance(value, msgspec.Raw))


def _plain(shown: Mapping[str, Any]) -> dict[str, Any]:
    """What is shown is partly JSON text."""
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(shown))
    return document


def _drop_no_error(document: dict[str, Any]) -> None:
    if document["error"] == _NO_ERROR:
        del document["error"]

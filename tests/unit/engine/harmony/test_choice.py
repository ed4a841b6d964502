"""Which requests and which engines the lean front end takes on."""

from __future__ import annotations

from typing import Any

import pytest
import vllm.version
from vllm.entrypoints.openai.chat_completion.serving import OpenAIServingChat
from vllm.parser.harmony import HarmonyParser

from cluster.engine.contract import EngineRequest, Operation
from cluster.engine.vllm import harmony
from cluster.engine.vllm.harmony.deltas import HarmonySequence, end_tokens, special_tokens
from cluster.engine.vllm.harmony.serving import LeanChatRequest, LeanHarmonyChat
from cluster.engine.vllm.requests import to_vllm
from tests.unit.engine.harmony.fake_engine import FakeEngineClient, serving_chat
from tests.unit.engine.harmony.scripts import encoding, tokens

#: Loads vLLM.
pytestmark = pytest.mark.slow


def asked(*, stream: bool = True, operation: Operation = Operation.CHAT, **fields: Any) -> EngineRequest:
    import msgspec

    prefix = "chatcmpl" if operation is Operation.CHAT else "cmpl"
    content: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}]} if operation is Operation.CHAT else {"prompt": "Hi"}
    return EngineRequest(
        request_id=f"{prefix}-1",
        operation=operation,
        body=msgspec.json.encode({"model": "m"} | content | fields),
        stream=stream,
        cache_salt="s",
        org_tag="o",
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stop": ["a"]},
        {"n": 3},
        {"logprobs": False},
        {"response_format": {"type": "json_object"}},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
    ],
)
def test_a_streamed_chat_is_lean(fields: dict[str, Any]) -> None:
    assert type(to_vllm(asked(**fields), lean=True)) is LeanChatRequest


@pytest.mark.parametrize("logprobs", [{"logprobs": True}, {"logprobs": True, "top_logprobs": 2}])
def test_log_probabilities_are_vllms(logprobs: dict[str, Any]) -> None:
    assert not isinstance(to_vllm(asked(**logprobs), lean=True), LeanChatRequest)


def test_whole_answers_completions_and_other_models_are_vllms() -> None:
    assert not isinstance(to_vllm(asked(stream=False), lean=True), LeanChatRequest)
    assert not isinstance(to_vllm(asked(operation=Operation.COMPLETION), lean=True), LeanChatRequest)
    assert not isinstance(to_vllm(asked()), LeanChatRequest)


def test_vllms_class_is_taken_over_with_all_its_settings() -> None:
    chat = serving_chat(FakeEngineClient())
    lean = harmony.adopt(chat)
    assert type(lean) is LeanHarmonyChat
    assert vars(lean) == vars(chat)


def refuses(chat: Any, caplog: pytest.LogCaptureFixture) -> str:
    assert harmony.adopt(chat) is chat
    return caplog.text


def test_another_version_of_vllm_keeps_its_own_writer(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(vllm.version, "__version__", "0.99.0")
    assert "vLLM 0.99.0 is not 0.32.x" in refuses(serving_chat(FakeEngineClient()), caplog)


def test_a_serving_class_that_is_not_the_known_one_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    class OtherChat(OpenAIServingChat):  # type: ignore[misc]
        pass

    other = OtherChat.__new__(OtherChat)
    assert "OtherChat" in refuses(other, caplog)


def test_a_model_that_does_not_speak_harmony_keeps_vllms_writer(caplog: pytest.LogCaptureFixture) -> None:
    chat = serving_chat(FakeEngineClient())
    chat.parser_cls = None
    assert "Harmony" in refuses(chat, caplog)


@pytest.mark.parametrize("parser", ["reasoning_parser_cls", "tool_parser_cls"])
def test_a_parser_that_is_switched_off_keeps_vllms_writer(
    parser: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    chat = serving_chat(FakeEngineClient())
    monkeypatch.setattr(HarmonyParser, parser, None)
    assert "switched off" in refuses(chat, caplog)


def test_special_tokens_are_those_that_the_encoding_calls_special() -> None:
    assert special_tokens() == {token for token in range(199_000, 201_089) if encoding().is_special_token(token)}
    assert end_tokens() == set(tokens("<|end|><|call|><|return|>"))


def test_messages_are_not_asked_for_between_special_tokens() -> None:
    """It is what makes the difference in cost: they cross from Rust as JSON of everything said so far."""
    sequence = HarmonySequence(encoding().decode)
    asked_for = []

    class Counting:
        def __init__(self, parser: Any) -> None:
            self._parser = parser

        def __getattr__(self, name: str) -> Any:
            asked_for.append(name)
            return getattr(self._parser, name)

    sequence._parser = Counting(sequence._parser)  # type: ignore[assignment]
    sequence.feed(tokens("<|channel|>analysis<|message|>one two three<|end|>"), finished=False)
    assert asked_for.count("messages") == 1
    assert asked_for.count("last_content_delta") == len(tokens("<|message|>one two three"))

"""What went wrong in vLLM, told to the caller."""

from __future__ import annotations

import msgspec
import pytest
from vllm.exceptions import GenerationError, QueueOverflowError, VLLMValidationError
from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

from cluster.engine.contract import EngineRequest, Fault, FaultKind, Operation
from cluster.engine.vllm import faults
from cluster.engine.vllm.requests import engine_id, to_vllm

#: Loads vLLM.
pytestmark = pytest.mark.slow

TOO_LONG = [
    (
        ValueError("Input length (6068) exceeds model's maximum context length (4096)."),
        "However, your messages resulted in 6068 tokens.",
    ),
    (
        VLLMValidationError(
            "This model's maximum context length is 4096 tokens. However, your prompt contains at least 4097 input tokens, which "
            "exceeds this limit even without any output tokens. Please reduce the length of the input prompt.",
            parameter="input_tokens",
            value=4097,
        ),
        "However, your messages resulted in at least 4097 tokens.",
    ),
    (
        VLLMValidationError("The decoder prompt (length 5000) is longer than the maximum model length of 4096. Make sure"),
        "However, your messages resulted in 5000 tokens.",
    ),
    (
        VLLMValidationError(
            "This model's maximum context length is 4096 tokens. However, your prompt contains 99999 characters (more than 9 "
            "characters, which is the upper bound for 4096 input tokens). Please reduce the length of the input prompt.",
            parameter="input_text",
        ),
        "However, your messages resulted in more.",
    ),
]


@pytest.mark.parametrize(("error", "told"), TOO_LONG)
def test_a_too_long_prompt_is_told_as_openai_tells_it(error: Exception, told: str) -> None:
    fault = faults.from_exception(error, Operation.CHAT, started=False)
    assert (fault.kind, fault.param, fault.code) == (FaultKind.CONTEXT_LENGTH, "messages", "context_length_exceeded")
    assert fault.message.startswith("This model's maximum context length is 4096 tokens. ")
    assert told in fault.message


def test_a_too_long_text_completion_names_its_prompt() -> None:
    fault = faults.from_exception(TOO_LONG[0][0], Operation.COMPLETION, started=False)
    assert fault.param == "prompt"
    assert "your prompt resulted in" in fault.message


def test_a_dead_engine_is_dead_whenever_it_is_noticed() -> None:
    for started in (False, True):
        assert faults.from_exception(EngineDeadError(), Operation.CHAT, started=started) is faults.ENGINE_DEAD


def test_a_full_queue_is_overload() -> None:
    assert faults.from_exception(QueueOverflowError(), Operation.CHAT, started=False).kind is FaultKind.OVERLOADED


def test_a_refused_field_is_named_without_vllms_decoration() -> None:
    error = VLLMValidationError("must be positive", parameter="top_logprobs", value=-3)
    assert faults.from_exception(error, Operation.CHAT, started=False) == Fault(
        FaultKind.INVALID_REQUEST, "must be positive", param="top_logprobs"
    )


@pytest.mark.parametrize("error", [RuntimeError("secret"), KeyError("secret"), GenerationError("secret"), EngineGenerateError()])
def test_a_defect_is_internal_and_its_text_is_not_shown(error: Exception) -> None:
    fault = faults.from_exception(error, Operation.CHAT, started=False)
    assert fault.kind is FaultKind.INTERNAL
    assert "secret" not in fault.message


def test_after_the_first_output_the_request_is_not_to_blame() -> None:
    assert faults.from_exception(ValueError("bad"), Operation.CHAT, started=True) is faults.INTERNAL
    assert faults.from_response({"code": 400, "message": "bad"}, Operation.CHAT, started=True) is faults.INTERNAL


@pytest.mark.parametrize(
    ("code", "kind"),
    [(400, FaultKind.INVALID_REQUEST), (404, FaultKind.INVALID_REQUEST), (503, FaultKind.OVERLOADED), (500, FaultKind.INTERNAL)],
)
def test_an_error_object_is_judged_by_its_code(code: int, kind: FaultKind) -> None:
    assert faults.from_response({"code": code, "message": "m", "param": None}, Operation.CHAT, started=False).kind is kind


def request(body: dict[str, object], operation: Operation = Operation.CHAT, request_id: str = "chatcmpl-1") -> EngineRequest:
    return EngineRequest(
        request_id=request_id,
        operation=operation,
        body=msgspec.json.encode({"model": "m"} | body),
        stream=True,
        cache_salt="ours",
        org_tag="o",
        priority=-5,
    )


HELLO: dict[str, object] = {"messages": [{"role": "user", "content": "hi"}]}


def test_salt_priority_and_id_are_the_clusters_whatever_the_body_says() -> None:
    theirs = {"cache_salt": "theirs", "priority": -99, "request_id": "x", "kv_transfer_params": {"a": 1}, "return_token_ids": True}
    built = to_vllm(request(HELLO | theirs))
    assert (built.cache_salt, built.priority, built.request_id) == ("ours", -5, "1")
    assert built.kv_transfer_params is None
    assert built.return_token_ids is None


def test_several_greedy_sequences_are_asked_for_in_a_way_that_vllm_takes() -> None:
    built = to_vllm(request(HELLO | {"n": 2, "temperature": 0}))
    assert (built.n, built.temperature, built.top_k) == (2, 1.0, 1)
    assert to_vllm(request(HELLO | {"temperature": 0})).temperature == 0


def test_fields_of_the_gateway_do_not_reach_vllm() -> None:
    gateways = {"metadata": {"a": "b"}, "store": True, "service_tier": "auto", "user": "u", "modalities": ["text"]}
    built = to_vllm(request(HELLO | gateways | {"stream_options": {"include_usage": False}, "tool_choice": None}))
    assert built.user is None
    assert built.stream_options.include_usage is True
    assert not built.model_extra


def test_a_body_that_vllm_refuses_names_the_field() -> None:
    with pytest.raises(Exception, match="temperature") as caught:
        to_vllm(request(HELLO | {"temperature": "hot"}))
    fault = faults.from_exception(caught.value, Operation.CHAT, started=False)
    assert (fault.kind, fault.param) == (FaultKind.INVALID_REQUEST, "temperature")


def test_a_body_that_is_no_json_is_invalid() -> None:
    with pytest.raises(msgspec.DecodeError) as caught:
        to_vllm(msgspec.structs.replace(request(HELLO), body=b"{"))
    assert faults.from_exception(caught.value, Operation.CHAT, started=False).kind is FaultKind.INVALID_REQUEST


def test_an_id_of_the_other_operation_is_refused() -> None:
    assert engine_id(request(HELLO)) == "1"
    with pytest.raises(ValueError, match="cmpl-"):
        engine_id(request({"prompt": "x"}, Operation.COMPLETION, "chatcmpl-1"))


def test_a_part_that_can_not_be_understood_is_named() -> None:
    bad = faults.BadPart("messages.1.content.0.input_audio", "this is no audio that can be read")
    fault = faults.from_exception(bad, Operation.CHAT, started=False)
    assert fault == Fault(FaultKind.INVALID_REQUEST, "this is no audio that can be read", param="messages.1.content.0.input_audio")

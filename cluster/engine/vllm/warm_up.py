"""Requests that make an engine compile what it compiles lazily, so that the first client does not wait for it.

The first log probabilities and the first grammar cost seconds each; a replica that has answered these is ready.
"""

from __future__ import annotations

import logging

import msgspec

from cluster.engine.contract import Engine, EngineRequest, Fault, FaultKind, Operation

logger = logging.getLogger("ossature.engine.warm_up")

SALT = "ossature-warm-up"
_CHAT: dict[str, object] = {"messages": [{"role": "user", "content": "Hello"}], "max_completion_tokens": 4}
_SCHEMA = {"name": "warm_up", "schema": {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}}
_BODIES: dict[Operation, list[dict[str, object]]] = {
    Operation.CHAT: [
        _CHAT,
        _CHAT | {"logprobs": True, "top_logprobs": 2},
        _CHAT | {"response_format": {"type": "json_schema", "json_schema": _SCHEMA}},
    ],
    Operation.COMPLETION: [{"prompt": "Hello", "max_tokens": 4}, {"prompt": "Hello", "max_tokens": 2, "logprobs": 1}],
}


async def warm_up(engine: Engine, model: str) -> None:
    """Run each kind of request once. Raises ``RuntimeError`` when the engine fails at one.

    A request that the model refuses (no chat template, no structured outputs) is skipped: clients will be told the same.
    """
    for operation, bodies in _BODIES.items():
        for index, body in enumerate(bodies):
            fault = await _run(engine, operation, msgspec.json.encode({"model": model, "temperature": 0.0} | body), index)
            if fault is None:
                continue
            if fault.kind is not FaultKind.INVALID_REQUEST:
                raise RuntimeError(f"the engine of {model} failed while warming up: {fault.kind}: {fault.message}")
            logger.info("%s refuses a warm-up request (%s): %s", model, operation, fault.message)


async def _run(engine: Engine, operation: Operation, body: bytes, index: int) -> Fault | None:
    prefix = "chatcmpl" if operation is Operation.CHAT else "cmpl"
    request = EngineRequest(
        request_id=f"{prefix}-warm-up-{index}",
        operation=operation,
        body=body,
        stream=index == 0,
        cache_salt=SALT,
        org_tag=SALT,
    )
    fault = None
    async for frame in engine.generate(request):
        fault = frame.fault
    return fault

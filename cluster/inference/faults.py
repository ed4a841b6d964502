"""An engine's fault or a relay's failure as the error a caller sees."""

from __future__ import annotations

from cluster.engine.contract import Fault, FaultKind
from cluster.errors import (
    ContextLengthExceeded,
    DeadlineExceeded,
    EngineFailed,
    InvalidRequest,
    ModelUnusable,
    OssatureError,
    Overloaded,
    StoreUnavailable,
)


def error_of(fault: Fault) -> OssatureError:
    """Messages of engine defects stay in the logs; everything else is the caller's to read."""
    match fault.kind:
        case FaultKind.INVALID_REQUEST:
            return InvalidRequest(fault.message, param=fault.param, code=fault.code)
        case FaultKind.CONTEXT_LENGTH:
            return ContextLengthExceeded(fault.message, param=fault.param)
        case FaultKind.DEADLINE:
            return DeadlineExceeded("The request's deadline passed before it could be served.")
        case FaultKind.OVERLOADED:
            return Overloaded("The model is at capacity. Please retry later.")
        case FaultKind.ADAPTER_UNUSABLE:
            return ModelUnusable(fault.message, param=fault.param)
        case FaultKind.ADAPTER_UNREACHABLE:
            return StoreUnavailable(fault.message)
        case FaultKind.ENGINE_DEAD:
            return EngineFailed("The engine that served this request stopped. The answer could not be finished; please retry.")
        case FaultKind.INTERNAL:
            return EngineFailed("The engine failed to serve this request.")

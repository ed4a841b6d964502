"""From pydantic's errors to OpenAI's: message, dotted parameter, code. Requests report their first problem, training files all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import Discriminator, ValidationError
from pydantic_core import ErrorDetails

from cluster.errors import InvalidRequest

_SHOWN_CHARS = 100
_EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "float_type": "a decimal",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
}


# --- unions ---------------------------------------------------------------------------------------------------------------
# Pydantic puts the tag of the chosen branch into an error's location. Tags in angle brackets are told apart from field names.
# A discriminator must be hashable, so what an error has to say travels in its message.


def tag(name: str) -> str:
    return f"<{name}>"


def by_key(key: str, *names: str) -> Discriminator:
    """Choose the branch ``tag(name)`` of a union of objects by the string that stands under ``key``."""

    def choose(value: object) -> str | None:
        name = value.get(key) if isinstance(value, Mapping) else getattr(value, key, None)
        return tag(name) if isinstance(name, str) and name in names else None

    return Discriminator(choose, custom_error_type="by_key", custom_error_message="|".join((key, *names)))


def by_kind(expected: str, choose: Callable[[object], str | None]) -> Discriminator:
    """Choose the branch of a union by the JSON type of the value; ``expected`` names the allowed ones in words."""
    return Discriminator(choose, custom_error_type="by_kind", custom_error_message=expected)


# --- problems -------------------------------------------------------------------------------------------------------------


def missing(param: str) -> InvalidRequest:
    return InvalidRequest(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def wrong_type(param: str, expected: str, value: object) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid type for '{param}': expected {expected}, but got {kind_of(value)} instead.", param=param, code="invalid_type"
    )


def wrong_value(param: str, value: object, supported: Sequence[str]) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid value for '{param}': {_shown(value)}. Supported values are: {_listed(supported)}.",
        param=param,
        code="invalid_value",
    )


def invalid(param: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{param}': {what}", param=param, code="invalid_value")


def combination(param: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, param=param, code="invalid_parameter_combination")


def unsupported_parameter(param: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"Unsupported parameter: '{param}'. {why}", param=param, code="unsupported_parameter")


def unsupported_value(param: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"Unsupported value for '{param}': {message}", param=param, code="unsupported_value")


def unrecognized(names: Sequence[str]) -> InvalidRequest:
    """Arguments that the endpoint does not have."""
    shown = [name[:_SHOWN_CHARS] for name in names[:10]]
    plural = "s" if len(names) > 1 else ""
    return InvalidRequest(
        f"Unrecognized request argument{plural} supplied: {', '.join(shown)}",
        param=shown[0],
        code="unrecognized_request_argument",
    )


def too_high(param: str, number: str, bound: object, value: object) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid '{param}': {number} above maximum value. Expected a value <= {bound}, but got {_shown(value)} instead.",
        param=param,
        code=f"{number}_above_max_value",
    )


def empty_array(param: str, minimum: int = 1) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid '{param}': empty array. Expected an array with minimum length {minimum}, but got an empty array instead.",
        param=param,
        code="empty_array",
    )


def array_too_long(param: str, limit: int, length: int, what: str = "array") -> InvalidRequest:
    return InvalidRequest(
        f"Invalid '{param}': {what} too long. Expected an {what} with maximum length {limit}, "
        f"but got an {what} with length {length} instead.",
        param=param,
        code=f"{what}_above_max_length",
    )


# --- translation ----------------------------------------------------------------------------------------------------------


def from_pydantic(error: ValidationError) -> InvalidRequest:
    """The first error of a validation, as a caller should read it."""
    return _translated(error.errors(include_url=False)[0])


def all_from_pydantic(error: ValidationError, limit: int) -> list[InvalidRequest]:
    """The first ``limit`` errors of a validation, for callers who want to know of more than one."""
    return [_translated(detail) for detail in error.errors(include_url=False)[:limit]]


def _translated(detail: ErrorDetails) -> InvalidRequest:
    param = ".".join(str(part) for part in detail["loc"] if not (isinstance(part, str) and (part[:1] == "<" or part == "[key]")))
    value, context = detail["input"], detail.get("ctx", {})
    kind = detail["type"]
    if kind == "missing":
        return missing(param)
    if kind == "float_type" and isinstance(value, int) and not isinstance(value, bool):
        return invalid(param, "number out of range.")
    if kind in _EXPECTED:
        return wrong_type(param, _EXPECTED[kind], value)
    if kind == "extra_forbidden":
        return InvalidRequest(f"Unknown parameter: '{param[:_SHOWN_CHARS]}'.", param=param, code="unknown_parameter")
    if kind == "literal_error" and isinstance(value, str):
        return wrong_value(param, value, _alternatives(context["expected"]))
    if kind == "literal_error":
        return wrong_type(param, "a string", value)
    if kind == "by_key":
        key, *names = detail["msg"].split("|")
        return _no_branch(param, value, key, names)
    if kind == "by_kind":
        return wrong_type(param, detail["msg"], value)
    return _out_of_bounds(param, kind, value, context) or invalid(param, f"{detail['msg']}.")


def _out_of_bounds(param: str, kind: str, value: Any, context: Mapping[str, Any]) -> InvalidRequest | None:
    match kind:
        case "greater_than_equal":
            number = _number(context["ge"])
            message = f"{number} below minimum value. Expected a value >= {_plain(context['ge'])}, but got {_shown(value)} instead."
            code = f"{number}_below_min_value"
        case "less_than_equal":
            return too_high(param, _number(context["le"]), _plain(context["le"]), value)
        case "string_too_long":
            expected = f"a string with maximum length {context['max_length']}"
            message = f"string too long. Expected {expected}, but got a string with length {len(value)} instead."
            code = "string_above_max_length"
        case "string_too_short":
            message = (
                f"empty string. Expected a string with minimum length {context['min_length']}, but got an empty string instead."
            )
            code = "empty_string"
        case "string_pattern_mismatch":
            message = f"string does not match pattern. Expected a string that matches the pattern '{context['pattern']}'."
            code = "invalid_value"
        case "too_long":
            return array_too_long(param, context["max_length"], len(value), "object" if isinstance(value, Mapping) else "array")
        case "too_short":
            return empty_array(param, context["min_length"])
        case _:
            return None
    return InvalidRequest(f"Invalid '{param}': {message}", param=param, code=code)


def _no_branch(param: str, value: object, key: str, names: Sequence[str]) -> InvalidRequest:
    if not isinstance(value, Mapping):
        return wrong_type(param, "an object", value)
    param = f"{param}.{key}"
    if key not in value:
        return missing(param)
    chosen = value[key]
    return wrong_value(param, chosen, names) if isinstance(chosen, str) else wrong_type(param, f"one of {_listed(names)}", chosen)


def _alternatives(expected: str) -> list[str]:
    """Pydantic lists literals as ``'a', 'b' or 'c'``."""
    return [name.strip().strip("'") for name in expected.replace(" or ", ", ").split(", ")]


def _listed(names: Sequence[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _number(bound: object) -> str:
    return "decimal" if isinstance(bound, float) else "integer"


def _plain(bound: float) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case str():
            return "a string"
        case list() | tuple():
            return "an array"
        case Mapping():
            return "an object"
        case _:
            return "something else"

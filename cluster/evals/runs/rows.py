"""One row of a run's source, whichever way it came, and what is wrong with a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from cluster.evals.case import sample_of
from cluster.evals.runs.item_schema import ItemSchema, shortened

_KEYS: Final = ("item", "sample")


@dataclass(frozen=True, slots=True)
class Row:
    """``place`` counts from 0. ``sample``: the answer that came with the item; ``None``: there was none.

    ``options``: of the chat request that a stored completion answered (tools, response format). ``fault``: why there is no item.
    ``origin``: the stored completion itself, where its answer may be graded.
    """

    place: int
    item: Mapping[str, Any]
    sample: Mapping[str, Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None
    origin: Mapping[str, Any] | None = None


def read_line(line: bytes) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """A line of a file: ``{"item": {…}, "sample": {…}}``. Raises ``ValueError``, whose text says what is wrong with it."""
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"it is not JSON: {shortened(str(error))}") from None
    if not isinstance(row, dict):
        raise ValueError("it is no JSON object")
    if unknown := sorted(row.keys() - set(_KEYS)):
        raise ValueError(f"it has the key '{shortened(unknown[0])}'; a line has 'item' and, if there is one, 'sample'")
    for name in _KEYS:
        if name in row and not isinstance(row[name], dict) and not (name == "sample" and row[name] is None):
            raise ValueError(f"'{name}' is no object")
    if "item" not in row:
        raise ValueError("'item' is missing")
    return row["item"], row.get("sample")


def line_problem(line: bytes, schema: ItemSchema) -> str | None:
    """What is wrong with a line, its item's shape included."""
    try:
        item, _ = read_line(line)
    except ValueError as error:
        return str(error)
    if (problem := schema.problem(item)) is None:
        return None
    where, what = problem
    return f"'item{where}' does not fit the eval's item schema: {what}"


def completed_sample(given: Mapping[str, Any]) -> dict[str, object]:
    """A sample that came with its item, with what follows from its text added: ``output_json`` above all."""
    text, tools = given.get("output_text"), given.get("output_tools")
    derived = sample_of(text if isinstance(text, str) else None, tools if isinstance(tools, list) else ())
    return {**derived, **given}


def stored_row(place: int, request: Mapping[str, Any], response: Mapping[str, Any], metadata: Mapping[str, str]) -> Row:
    """A stored completion as a row. Its answer is the first choice's."""
    answer = response["choices"][0]["message"]
    output = {name: answer[name] for name in ("role", "content", "refusal", "tool_calls") if answer.get(name) is not None}
    item = {
        "input": request["messages"],
        "output": [{"role": "assistant", "content": None, **output}],
        "metadata": dict(metadata),
        "model": response.get("model") or request.get("model") or "",
    }
    names = ("tools", "tool_choice", "parallel_tool_calls", "response_format")
    return Row(place, item, options={name: request[name] for name in names if request.get(name) is not None}, origin=response)

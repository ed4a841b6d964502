"""One item and the answer that is graded, as templates and Python graders see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from cluster.evals import template
from cluster.evals.grade import Fault, GradingFailed


@dataclass(frozen=True, slots=True)
class Case:
    """JSON objects both. ``sample`` is empty where nothing was generated."""

    item: Mapping[str, object]
    sample: Mapping[str, object]

    def fill_in(self, text: str, param: str) -> str:
        """Render a template.

        Raises:
            GradingFailed: it can't be read, names something that is missing, or becomes too long.
        """
        try:
            return template.parse(text).render({"item": self.item, "sample": self.sample})
        except template.MissingPath as error:
            if error.path == "sample.output_json" and "output_text" in self.sample:
                raise GradingFailed(Fault.SAMPLE_PARSE, f"{param}: the sample's text is not JSON") from None
            raise GradingFailed(Fault.INVALID_VARIABLE, f"{param}: {error}") from None
        except template.TooLong as error:
            raise GradingFailed(Fault.TRUNCATED, f"{param}: {error}") from None
        except template.TemplateError as error:
            raise GradingFailed(Fault.INVALID_VARIABLE, f"{param}: {error}") from None


def sample_of(text: str | None, tool_calls: Sequence[Mapping[str, object]] = (), *, model: str | None = None) -> dict[str, object]:
    """The ``sample`` namespace of an answer.

    ``output_text``: its text, empty where it has none. ``output_json``: the text's value, only where the text is JSON.
    ``output_tools``: its tool calls, in the shape of chat completions.
    """
    sample: dict[str, object] = {"output_text": text or "", "output_tools": [dict(call) for call in tool_calls]}
    if model is not None:
        sample["model"] = model
    try:
        sample["output_json"] = msgspec.json.decode(text or "")
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return sample
    return sample

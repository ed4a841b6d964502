"""Graders as a client writes them: OpenAI's schemas ``EvalGrader*`` and ``Grader*``, every field and no other.

The same definitions serve an eval's criteria (which take ``pass_threshold``) and graders that run alone or in a ``multi`` (which
don't). Reading one back gives canonical JSON: the fields that were given, in the order of the schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field, Tag, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from cluster.errors import InvalidRequest
from cluster.evals import template
from cluster.evals.formula import FUNCTIONS, Formula, FormulaError
from cluster.evals.messages import EvalMessage, Text
from cluster.inference.requests import problems
from cluster.inference.requests.fields import INT32_MAX, INT64_MAX, INT64_MIN, Strict

MAX_GRADERS: Final = 64
MAX_LABELS: Final = 256
MAX_MESSAGES: Final = 64
MAX_SOURCE_CHARS: Final = 256 << 10

Name = Annotated[str, Field(min_length=1, max_length=256)]
ModelName = Annotated[str, Field(min_length=1, max_length=256)]
Label = Annotated[str, Field(min_length=1, max_length=256)]
Messages = Annotated[list[EvalMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
Metric = Literal[
    "cosine", "fuzzy_match", "bleu", "gleu", "meteor", "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l"
]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


class Definition(Strict):
    """What all graders have in common."""

    name: Name

    def templates(self, param: str) -> Iterator[tuple[str, str]]:
        """Every text that may hold a template, as ``(where it stands, text)``."""
        yield from ()

    def to_json(self) -> dict[str, Any]:
        """Canonical form: the fields that were given, in the schema's order."""
        return self.model_dump(mode="json", exclude_unset=True)


class StringCheck(Definition):
    type: Literal["string_check"]
    input: Text
    reference: Text
    operation: Literal["eq", "ne", "like", "ilike"]

    def templates(self, param: str) -> Iterator[tuple[str, str]]:
        yield f"{param}.input", self.input
        yield f"{param}.reference", self.reference


class TextSimilarity(Definition):
    """``pass_threshold`` is required of an eval's criterion and unknown elsewhere."""

    type: Literal["text_similarity"]
    input: Text
    reference: Text
    evaluation_metric: Metric
    pass_threshold: float | None = None

    def templates(self, param: str) -> Iterator[tuple[str, str]]:
        yield f"{param}.input", self.input
        yield f"{param}.reference", self.reference


class LabelModel(Definition):
    type: Literal["label_model"]
    model: ModelName
    input: Messages
    labels: Annotated[list[Label], Field(min_length=1, max_length=MAX_LABELS)]
    passing_labels: Annotated[list[Label], Field(min_length=1, max_length=MAX_LABELS)]

    @field_validator("labels", "passing_labels")
    @classmethod
    def _distinct(cls, labels: list[str]) -> list[str]:
        if len(set(labels)) < len(labels):
            raise PydanticCustomError("duplicate", "labels must differ from each other")
        return labels

    @field_validator("passing_labels")
    @classmethod
    def _known(cls, passing: list[str], info: Any) -> list[str]:
        labels = info.data.get("labels")
        if labels is not None and not set(passing) <= set(labels):
            raise PydanticCustomError("not_a_label", "passing labels must be among 'labels'")
        return passing

    def templates(self, param: str) -> Iterator[tuple[str, str]]:
        yield from _message_templates(self.input, param)


class JudgeSampling(Strict):
    """``max_completions_tokens`` is the schema's spelling."""

    seed: Annotated[int, Field(ge=INT64_MIN, le=INT64_MAX)] | None = None
    top_p: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] | None = None
    max_completions_tokens: Annotated[int, Field(ge=1, le=INT32_MAX)] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None


class ScoreModel(Definition):
    type: Literal["score_model"]
    model: ModelName
    sampling_params: JudgeSampling | None = None
    input: Messages
    range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    pass_threshold: float | None = None

    @field_validator("range")
    @classmethod
    def _ordered(cls, bounds: list[float] | None) -> list[float] | None:
        if bounds is not None and not bounds[0] < bounds[1]:
            raise PydanticCustomError("range", "the first bound must be below the second")
        return bounds

    @property
    def bounds(self) -> tuple[float, float]:
        return (self.range[0], self.range[1]) if self.range is not None else (0.0, 1.0)

    def templates(self, param: str) -> Iterator[tuple[str, str]]:
        yield from _message_templates(self.input, param)


class Python(Definition):
    """``image_tag`` is kept and read back; there is one image here, this host's Python."""

    type: Literal["python"]
    source: Annotated[str, Field(min_length=1, max_length=MAX_SOURCE_CHARS)]
    image_tag: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    pass_threshold: float | None = None


SingleGrader = Annotated[
    Annotated[StringCheck, Tag("<string_check>")]
    | Annotated[TextSimilarity, Tag("<text_similarity>")]
    | Annotated[Python, Tag("<python>")]
    | Annotated[ScoreModel, Tag("<score_model>")]
    | Annotated[LabelModel, Tag("<label_model>")],
    problems.by_key("type", "string_check", "text_similarity", "python", "score_model", "label_model"),
]
NamedGraders = Annotated[dict[VariableName, SingleGrader], Field(min_length=1, max_length=MAX_GRADERS)]


def _graders_kind(value: object) -> str | None:
    """The schema says one grader, OpenAI's guide a map of them by variable name; a ``type`` in writing tells them apart."""
    if isinstance(value, Mapping):
        return "<one>" if isinstance(value.get("type"), str) else "<many>"
    return "<one>" if isinstance(value, Definition) else None


class Multi(Definition):
    """A formula over other graders' scores. A single grader is known to the formula by its own name."""

    type: Literal["multi"]
    graders: Annotated[
        Annotated[SingleGrader, Tag("<one>")] | Annotated[NamedGraders, Tag("<many>")],
        problems.by_kind("an object", _graders_kind),
    ]
    calculate_output: Annotated[str, Field(min_length=1, max_length=4096)]

    @field_validator("graders")
    @classmethod
    def _variables(cls, graders: Any) -> Any:
        names = list(graders) if isinstance(graders, dict) else [graders.name]
        for name in names:
            if name in FUNCTIONS:
                raise PydanticCustomError("function", "'{name}' is a function of formulas and can't name a grader", {"name": name})
        if not isinstance(graders, dict) and not graders.name.isidentifier():
            raise PydanticCustomError("identifier", "a grader must have a name that a formula can use")
        return graders

    @field_validator("calculate_output")
    @classmethod
    def _readable(cls, text: str, info: Any) -> str:
        try:
            formula = Formula.parse(text)
        except FormulaError as error:
            raise PydanticCustomError("formula", "{reason}", {"reason": str(error)}) from None
        graders = info.data.get("graders")
        if graders is not None:
            known = set(graders) if isinstance(graders, dict) else {graders.name}
            if unknown := sorted(formula.names - known):
                raise PydanticCustomError("formula", "no grader is named '{name}'", {"name": unknown[0]})
        return text

    @property
    def parts(self) -> Mapping[str, Criterion]:
        """Its graders by the name that the formula uses."""
        return self.graders if isinstance(self.graders, dict) else {self.graders.name: self.graders}

    def located(self, param: str) -> Iterator[tuple[str, Criterion]]:
        """Its graders, each with where it stands."""
        for name, grader in self.parts.items():
            yield f"{param}.graders.{name}" if isinstance(self.graders, dict) else f"{param}.graders", grader

    def templates(self, param: str) -> Iterator[tuple[str, str]]:
        for where, grader in self.located(param):
            yield from grader.templates(where)


Criterion = StringCheck | TextSimilarity | LabelModel | ScoreModel | Python
Grader = Criterion | Multi


class _Criteria(Strict):
    testing_criteria: Annotated[list[SingleGrader], Field(min_length=1, max_length=MAX_GRADERS)]


class _Alone(Strict):
    grader: Annotated[
        Annotated[StringCheck, Tag("<string_check>")]
        | Annotated[TextSimilarity, Tag("<text_similarity>")]
        | Annotated[Python, Tag("<python>")]
        | Annotated[ScoreModel, Tag("<score_model>")]
        | Annotated[LabelModel, Tag("<label_model>")]
        | Annotated[Multi, Tag("<multi>")],
        problems.by_key("type", "string_check", "text_similarity", "python", "score_model", "label_model", "multi"),
    ]


def parse_criteria(raw: Sequence[object]) -> list[Criterion]:
    """An eval's ``testing_criteria``.

    Raises:
        InvalidRequest: the first thing that is wrong; its ``param`` begins with ``testing_criteria``.
    """
    try:
        criteria = _Criteria.model_validate({"testing_criteria": raw}).testing_criteria
    except ValidationError as error:
        raise problems.from_pydantic(error) from None
    for index, criterion in enumerate(criteria):
        param = f"testing_criteria.{index}"
        if isinstance(criterion, TextSimilarity) and criterion.pass_threshold is None:
            raise problems.missing(f"{param}.pass_threshold")
        _check(criterion, param)
    return criteria


def parse_grader(raw: Mapping[str, object]) -> Grader:
    """A grader that runs alone, as ``/fine_tuning/alpha/graders`` and the method ``reinforcement`` take it.

    Raises:
        InvalidRequest: the first thing that is wrong; its ``param`` begins with ``grader``.
    """
    try:
        grader = _Alone.model_validate({"grader": raw}).grader
    except ValidationError as error:
        raise problems.from_pydantic(error) from None
    _refuse_thresholds(grader, "grader")
    _check(grader, "grader")
    return grader


def _check(grader: Grader, param: str) -> None:
    """What a type can't say: null is not a value of an optional field here, and every template can be read."""
    if null := _null(grader, param):
        raise problems.wrong_type(null, "a value of the documented type", None)
    for where, text in grader.templates(param):
        try:
            template.parse(text)
        except template.TemplateError as error:
            raise problems.invalid(where, f"{error}.") from None


def _null(grader: Grader, param: str) -> str | None:
    """Where an optional field was given as null. The schema lets only the sampling parameters be null."""
    for where, part in _single(grader, param):
        for name in sorted(part.model_fields_set):
            if getattr(part, name) is None:
                return f"{where}.{name}"
    return None


def _refuse_thresholds(grader: Grader, param: str) -> None:
    for where, part in _single(grader, param):
        if "pass_threshold" in part.model_fields_set:
            field = f"{where}.pass_threshold"
            raise InvalidRequest(f"Unknown parameter: '{field}'.", param=field, code="unknown_parameter")


def _single(grader: Grader, param: str) -> Iterator[tuple[str, Criterion]]:
    if isinstance(grader, Multi):
        yield from grader.located(param)
    else:
        yield param, grader


def _message_templates(messages: Sequence[EvalMessage], param: str) -> Iterator[tuple[str, str]]:
    for index, message in enumerate(messages):
        yield from message.templates(f"{param}.input.{index}")

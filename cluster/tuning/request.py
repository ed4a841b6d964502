"""``POST /v1/fine_tuning/jobs``: the body, with every field of OpenAI's, and what of it is not served, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, Tag

from cluster.inference.requests import problems
from cluster.inference.requests.fields import INT32_MAX, Metadata, Strict
from cluster.tuning.hyperparameters import Hyperparameters
from cluster.tuning.rows.parse import Method


def _setting_kind(value: object) -> str | None:
    if isinstance(value, str):
        return "<auto>"
    return "<number>" if isinstance(value, int | float) and not isinstance(value, bool) else None


_AUTO_OR_NUMBER: Final = problems.by_kind("one of 'auto' or a number", _setting_kind)
_Auto = Annotated[Literal["auto"], Tag("<auto>")]
_Epochs = Annotated[_Auto | Annotated[Annotated[int, Field(ge=1, le=50)], Tag("<number>")], _AUTO_OR_NUMBER]
_BatchSize = Annotated[_Auto | Annotated[Annotated[int, Field(ge=1, le=256)], Tag("<number>")], _AUTO_OR_NUMBER]
_Multiplier = Annotated[_Auto | Annotated[Annotated[float, Field(gt=0.0, le=1000.0)], Tag("<number>")], _AUTO_OR_NUMBER]
_Beta = Annotated[_Auto | Annotated[Annotated[float, Field(gt=0.0, le=2.0)], Tag("<number>")], _AUTO_OR_NUMBER]


class SupervisedHyperparameters(Strict):
    n_epochs: _Epochs = "auto"
    batch_size: _BatchSize = "auto"
    learning_rate_multiplier: _Multiplier = "auto"


class DpoHyperparameters(SupervisedHyperparameters):
    beta: _Beta = "auto"


class SupervisedMethod(Strict):
    hyperparameters: SupervisedHyperparameters | None = None


class DpoMethod(Strict):
    hyperparameters: DpoHyperparameters | None = None


class TuningMethod(Strict):
    """``reinforcement`` is read only to be refused by its name."""

    type: Literal["supervised", "dpo", "reinforcement"]
    supervised: SupervisedMethod | None = None
    dpo: DpoMethod | None = None
    reinforcement: dict[str, Any] | None = None


class CreateFineTuningJob(Strict):
    """A job to be created. ``hyperparameters`` is OpenAI's former place for those of supervised tuning."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    training_file: Annotated[str, Field(min_length=1, max_length=256)]
    validation_file: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    suffix: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")] | None = None
    seed: Annotated[int, Field(ge=0, le=INT32_MAX)] | None = None
    method: TuningMethod | None = None
    hyperparameters: SupervisedHyperparameters | None = None
    integrations: Annotated[list[dict[str, Any]], Field(max_length=5)] | None = None
    metadata: Metadata | None = None

    def chosen(self) -> tuple[Method, Hyperparameters]:
        """Raises :class:`~cluster.errors.InvalidRequest` for what is not served and for what contradicts itself."""
        if self.integrations:
            raise problems.unsupported_parameter(
                "integrations", "Metrics are not sent anywhere: they are in the job's events and in its result file."
            )
        if self.method is None:
            return Method.SUPERVISED, _asked(self.hyperparameters)
        kind = self.method.type
        if kind == "reinforcement":
            raise problems.unsupported_value(
                "method.type", "'reinforcement' tuning is not done here. Supported values are: 'supervised' and 'dpo'."
            )
        for other in ("supervised", "dpo", "reinforcement"):
            if other != kind and getattr(self.method, other) is not None:
                raise problems.combination(f"method.{other}", f"'method.{other}' is only allowed with the method type '{other}'.")
        if kind == "dpo":
            if self.hyperparameters is not None:
                raise problems.combination("hyperparameters", "Hyperparameters of 'dpo' are given in 'method.dpo.hyperparameters'.")
            return Method.DPO, _asked(self.method.dpo.hyperparameters if self.method.dpo else None)
        within = self.method.supervised.hyperparameters if self.method.supervised else None
        if within is not None and self.hyperparameters is not None:
            raise problems.combination(
                "hyperparameters", "Give either 'hyperparameters' or 'method.supervised.hyperparameters', not both."
            )
        return Method.SUPERVISED, _asked(within or self.hyperparameters)


def _asked(given: SupervisedHyperparameters | None) -> Hyperparameters:
    values: Mapping[str, Any] = given.model_dump() if given is not None else {}
    return Hyperparameters(**values)

"""Bodies of requests about evals. What is inside of criteria and data sources is checked by evals and runs themselves."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from cluster.inference.requests.fields import Metadata, Strict

Name = Annotated[str, Field(max_length=256)]


class CreateEval(Strict):
    data_source_config: dict[str, Any]
    testing_criteria: list[Any]
    name: Name | None = None
    metadata: Metadata | None = None


class UpdateEval(Strict):
    """``metadata``: ``null`` takes all of it away."""

    name: Name | None = None
    metadata: Metadata | None = None


class CreateEvalRun(Strict):
    data_source: dict[str, Any]
    name: Name | None = None
    metadata: Metadata | None = None

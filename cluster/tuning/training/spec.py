"""What a training run is told: one frozen JSON document."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Auto = Literal["auto"]


class Method(StrEnum):
    """What the rows are: completions to repeat, or pairs of which one is preferred."""

    SUPERVISED = "supervised"
    DPO = "dpo"


class Adapter(StrEnum):
    """What is trained: a low-rank adapter, or every weight."""

    LORA = "lora"
    FULL = "full"


class Device(StrEnum):
    CPU = "cpu"
    CUDA = "cuda"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Hyperparameters(_Frozen):
    """As the API takes them. ``auto`` is resolved by :mod:`cluster.tuning.training.hyperparameters`."""

    n_epochs: Annotated[int, Field(ge=1, le=50)] | Auto = "auto"
    #: Rows for each step of the optimizer, over all workers.
    batch_size: Annotated[int, Field(ge=1, le=256)] | Auto = "auto"
    #: Times the recipe's learning rate.
    learning_rate_multiplier: Annotated[float, Field(gt=0, le=1000)] | Auto = "auto"
    #: How strongly DPO holds the model to its base; supervised runs ignore it.
    beta: Annotated[float, Field(gt=0, le=2)] | Auto = "auto"


class TrainSpec(_Frozen):
    """One run. Two runs never share ``output_dir``: it holds the run's events and checkpoints, by which it resumes."""

    job_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
    method: Method = Method.SUPERVISED
    #: Folder of the base model: config.json, safetensors, tokenizer, chat template.
    base_model: Path
    #: A recipe's name; ``None`` finds it by the model's config.json.
    recipe: str | None = None
    training_file: Path
    validation_file: Path | None = None
    output_dir: Path
    hyperparameters: Hyperparameters = Hyperparameters()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    adapter: Adapter = Adapter.LORA
    #: ``None``: the recipe's.
    lora_rank: Annotated[int, Field(ge=1, le=256)] | None = None
    #: Whether a mixture's experts get adapters too. Serving engines differ in what they load: publish only after the parity probe.
    lora_experts: bool = False
    #: Leave the whole model, with the adapter computed into its weights, in the base's precision and with the base's own tokenizer.
    merge: bool = False
    #: Longer rows are left out, and counted. ``None``: the recipe's.
    max_length_tokens: Annotated[int, Field(ge=8)] | None = None
    #: Between the checkpoints of epoch ends; ``None``: none.
    checkpoint_every_steps: Annotated[int, Field(ge=1)] | None = None
    #: Held-out completions that a finished adapter is scored on, for what serves it to be compared with; 0: none.
    parity_rows: Annotated[int, Field(ge=0, le=1024)] = 0
    #: Longest of them, prompt included, in tokens; of longer ones the parts around the completion's beginning.
    parity_row_tokens: Annotated[int, Field(ge=16)] = 512
    device: Device = Device.CPU
    #: Processes that train together.
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    #: Of each worker, on a CPU. More threads than free cores are several times slower than one.
    cpu_threads: Annotated[int, Field(ge=1, le=256)] = 1
    #: Handed to the chat template, as the date that Harmony's system message names.
    template_variables: dict[str, JsonValue] = {}

    def save(self, path: Path) -> None:
        """Write the spec as JSON.

        Raises:
            OSError: it can't be written.
        """
        path.write_text(self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> TrainSpec:
        """Read a spec.

        Raises:
            OSError: it can't be read.
            ValueError: it is no spec; the text names each field.
        """
        return cls.model_validate(json.loads(path.read_text()))

"""One run from spec to adapter, in this process."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

from cluster.tuning.recipes import catalog
from cluster.tuning.recipes.estimate import estimate
from cluster.tuning.recipes.recipe import Recipe
from cluster.tuning.recipes.shape import ModelShape
from cluster.tuning.training import checkpoints, hyperparameters, stopping
from cluster.tuning.training.encoding import Encoded, Renderer
from cluster.tuning.training.errors import InvalidRow, UnsupportedModel
from cluster.tuning.training.hyperparameters import Resolved
from cluster.tuning.training.loop import data, model, probe, result, trainers, vision
from cluster.tuning.training.loop.reporting import Reporting, Say, agreed, say_checkpoint
from cluster.tuning.training.parity import Trained
from cluster.tuning.training.spec import Adapter, Device, Method, TrainSpec


def train(spec: TrainSpec, say: Say, sync: Callable[[], None], *, is_main: bool) -> None:
    """Train, from the last whole checkpoint if there is one, and leave the result in ``output_dir/adapter`` (:mod:`result`).

    ``say`` takes events, ``sync`` returns once they are durable; of several workers only the main one has a say.

    Raises:
        TrainingError: see its subclasses.
    """
    started_s = time.monotonic()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if spec.device is Device.CPU:
        torch.set_num_threads(spec.cpu_threads)
    config = catalog.config_of(spec.base_model)
    recipe = catalog.recipe_of(spec.base_model, spec.recipe)
    prepared = _Prepared(spec, recipe)
    run = hyperparameters.resolve(
        spec.hyperparameters,
        rows=len(prepared.training),
        recipe=recipe,
        method=spec.method,
        adapter=spec.adapter,
        workers=spec.workers,
    )
    resumed = checkpoints.latest(spec.output_dir)
    if is_main:
        say("started", **_beginning(spec, recipe, config, prepared, run, resumed))
        for found in checkpoints.whole(spec.output_dir):
            # One whose process was killed before it could say so.
            say_checkpoint(say, found)
    trainer = prepared.trainer(run)
    reporting = Reporting(
        say,
        sync,
        spec.output_dir,
        steps_per_epoch=run.steps_per_epoch,
        checkpoint_every_steps=spec.checkpoint_every_steps,
        is_main=is_main,
        score=prepared.checkpoint_scores() if is_main else None,
    )
    trainer.add_callback(reporting)
    trainer.remove_callback(transformers.PrinterCallback)
    if agreed(stopping.requested(spec.output_dir)) is None:
        trainer.train(resume_from_checkpoint=str(resumed.path) if resumed else None)
    step = trainer.state.global_step
    if step < run.total_steps:
        if is_main:
            reason = reporting.stopped or stopping.requested(spec.output_dir) or stopping.Reason.PAUSE
            say("stopped", step=step or (resumed.step if resumed else 0), reason=reason.value)
        return
    if is_main:
        written, scores = prepared.result(trainer)
        say(
            "finished",
            step=step,
            adapter=str(written),
            parity=str(scores.write(spec.output_dir)) if scores is not None else None,
            seconds=round(time.monotonic() - started_s, 3),
        )


class _Prepared:
    """Rows, tokenizer and collator of a run."""

    def __init__(self, spec: TrainSpec, recipe: Recipe) -> None:
        self._spec, self._recipe = spec, recipe
        self._sees = recipe.images is not None
        if self._sees and spec.method is Method.DPO:
            raise UnsupportedModel(f"{recipe.name} is not tuned by preferences")
        self._templated = model.load_processor(spec.base_model) if self._sees else model.load_tokenizer(spec.base_model)
        self._renderer = Renderer(self._templated, spec.template_variables, recipe.parallel_tool_calls)
        self._encoder = vision.ImageEncoder(self._templated, self._renderer)
        self.training = self._rows(spec.training_file)
        try:
            self.validation = self._rows(spec.validation_file) if spec.validation_file else None
        except InvalidRow as error:
            raise InvalidRow(error.line, f"of the validation file: {error.reason}") from error

    def trainer(self, run: Resolved) -> Any:
        spec, recipe = self._spec, self._recipe
        spread = spec.device is Device.CUDA and recipe.gpus_for(spec.adapter) > 1
        base = model.load_model(spec.base_model, recipe, device=spec.device, adapter=spec.adapter, spread=spread)
        has_validation = self.validation is not None
        common = {
            "model": base,
            "train_dataset": self.training.dataset,
            "eval_dataset": self.validation.dataset if self.validation else None,
            "processing_class": self._templated,
            "peft_config": model.lora(spec, recipe),
        }
        if spec.method is Method.DPO:
            arguments = trainers.preference_arguments(spec, recipe, run, has_validation=has_validation)
            return trainers.PreferenceTrainer(args=arguments, **common)
        arguments = trainers.supervised_arguments(spec, recipe, run, has_validation=has_validation)
        return trainers.SupervisedTrainer(args=arguments, data_collator=self._collator(), **common)

    def result(self, trainer: Any) -> tuple[Path, Trained | None]:
        """Leave what was trained, and say what it makes of held-out completions, where that is asked for."""
        held_out = self._held_out() if self._spec.parity_rows else []
        trained = trainer.accelerator.unwrap_model(trainer.model)
        if not self._leaves_whole:
            written = result.write_adapter(trainer, self._spec.output_dir)
            return written, probe.probe(trained, held_out) if held_out else None
        return self._whole(trainer, trained, held_out)

    def checkpoint_scores(self) -> Callable[[Any, Path], None] | None:
        """What scores an adapter that is being trained, into the folder of its checkpoint; ``None`` where nothing is to be scored.

        Checkpoints of whole models are published by nobody.
        """
        held_out = self._held_out() if self._spec.parity_rows and not self._leaves_whole else []
        if not held_out:
            return None

        def score(trained: Any, folder: Path) -> None:
            probe.probe(trained, held_out).write(folder)
            trained.train()

        return score

    @property
    def _leaves_whole(self) -> bool:
        return self._spec.merge or self._spec.adapter is Adapter.FULL

    def _whole(self, trainer: Any, trained: Any, held_out: list[Encoded]) -> tuple[Path, Trained | None]:
        """The files that are left are loaded again and scored too: no engine has them for long."""
        spec, recipe = self._spec, self._recipe
        # Before anything is merged or rounded.
        tuned = probe.scored(trained, held_out) if held_out else None
        written = result.write_whole(trained, spec.base_model, recipe, spec.output_dir)
        del trained
        result.forget(trainer)
        if tuned is None:
            return written, None
        base, saved = (probe.scored(self._loaded(folder), held_out) for folder in (spec.base_model, written))
        return written, Trained(base=base, tuned=tuned, saved=saved)

    def _loaded(self, folder: Path) -> Any:
        """For scoring: on one device, or laid across those that the run has."""
        spec, recipe = self._spec, self._recipe
        spread = spec.device is Device.CUDA and recipe.gpus_for(spec.adapter) > 1
        loaded = model.load_model(folder, recipe, device=spec.device, adapter=Adapter.LORA, spread=spread)
        return loaded if spread or spec.device is Device.CPU else loaded.to("cuda")

    def _held_out(self) -> list[Encoded]:
        tokenizer = self._templated.tokenizer if self._sees else self._templated
        return probe.held_out(self._spec, self._renderer, tokenizer, parts=self._sees)

    def _rows(self, path: Path) -> data.Rows:
        if self._sees:
            return data.load_images(path, self._encoder)
        limit = self._spec.max_length_tokens or self._recipe.max_length_tokens
        return data.load_text(path, self._spec.method, self._renderer, self._templated, max_length_tokens=limit)

    def _collator(self) -> Any:
        layout = self._recipe.images
        if layout is None:
            return None
        return vision.ImageCollator(self._encoder, layout)


def _beginning(
    spec: TrainSpec,
    recipe: Recipe,
    config: dict[str, Any],
    prepared: _Prepared,
    run: Resolved,
    resumed: checkpoints.Checkpoint | None,
) -> dict[str, Any]:
    tokens = prepared.training.tokens * run.n_epochs
    cost = estimate(
        ModelShape.of(config),
        recipe,
        tokens=tokens,
        micro_batch_tokens=run.micro_batch_rows * max(1, prepared.training.tokens // len(prepared.training)),
        method=spec.method,
        adapter=spec.adapter,
        device=spec.device,
        rank=spec.lora_rank,
        experts=spec.lora_experts,
        workers=spec.workers,
    )
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "recipe": recipe.name,
        "total_steps": run.total_steps,
        "resumed_from_step": resumed.step if resumed else 0,
        "rows": len(prepared.training),
        "rows_too_long": prepared.training.too_long,
        "tokens": tokens,
        "n_epochs": run.n_epochs,
        "batch_size": run.batch_size,
        "learning_rate_multiplier": run.learning_rate_multiplier,
        "learning_rate": run.learning_rate,
        "beta": run.beta if spec.method is Method.DPO else None,
        "estimate": cost.describe(),
    }

"""TRL's trainers, told not to prepare data again and not to write cards about themselves."""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from cluster.tuning.recipes.recipe import Recipe
from cluster.tuning.training import checkpoints
from cluster.tuning.training.hyperparameters import Resolved
from cluster.tuning.training.spec import Adapter, Device, TrainSpec


class SupervisedTrainer(SFTTrainer):  # type: ignore[misc]
    """Takes rows that are tokenized and labelled."""

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """None: what a checkpoint is, its job's events say."""


class PreferenceTrainer(DPOTrainer):  # type: ignore[misc]
    """Takes pairs that are tokenized."""

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """None: what a checkpoint is, its job's events say."""

    def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        return dataset


def supervised_arguments(spec: TrainSpec, recipe: Recipe, run: Resolved, *, has_validation: bool) -> SFTConfig:
    """Arguments of a supervised run."""
    return SFTConfig(
        **_common(spec, recipe, run, has_validation=has_validation),
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        # A mixture's balancing loss would pull on a router that adapters don't train.
        router_aux_loss_coef=0.0 if spec.adapter is Adapter.LORA else None,
    )


def preference_arguments(spec: TrainSpec, recipe: Recipe, run: Resolved, *, has_validation: bool) -> DPOConfig:
    """Arguments of a run over pairs."""
    return DPOConfig(**_common(spec, recipe, run, has_validation=has_validation), max_length=None, beta=run.beta)


def _common(spec: TrainSpec, recipe: Recipe, run: Resolved, *, has_validation: bool) -> dict[str, Any]:
    on_cpu = spec.device is Device.CPU
    return {
        "output_dir": str(checkpoints.folder(spec.output_dir)),
        "per_device_train_batch_size": run.micro_batch_rows,
        "per_device_eval_batch_size": run.micro_batch_rows,
        "gradient_accumulation_steps": run.accumulation,
        "num_train_epochs": run.n_epochs,
        "learning_rate": run.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": run.warmup_steps,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "seed": spec.seed,
        "data_seed": spec.seed,
        "use_cpu": on_cpu,
        "bf16": not on_cpu and recipe.precision == "bfloat16",
        "gradient_checkpointing": recipe.gradient_checkpointing and not on_cpu,
        "dataloader_pin_memory": not on_cpu,
        "ddp_backend": ("gloo" if on_cpu else "nccl") if spec.workers > 1 else None,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        # Checkpoints are asked for by `Reporting`, which also removes old ones.
        "save_strategy": "no",
        "eval_strategy": "epoch" if has_validation else "no",
        "prediction_loss_only": True,
        "remove_unused_columns": False,
        "report_to": "none",
        "disable_tqdm": True,
    }

"""Between TRL's trainer and our files: events of each step, checkpoints, requests to stop."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch.distributed as dist
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from cluster.tuning.training import checkpoints, stopping
from cluster.tuning.training.errors import Diverged

#: Takes an event's kind and fields.
Say = Callable[..., object]


class Reporting(TrainerCallback):  # type: ignore[misc]
    """Must come behind the trainer's own flow of control, so that what it asks for holds."""

    def __init__(
        self,
        say: Say,
        sync: Callable[[], None],
        output_dir: Path,
        *,
        steps_per_epoch: int,
        checkpoint_every_steps: int | None,
        is_main: bool,
        score: Callable[[Any, Path], None] | None = None,
    ) -> None:
        """``score``: leaves in an epoch's checkpoint what the model makes of held-out completions."""
        self._say = say
        self._score = score
        self._sync = sync
        self._output_dir = output_dir
        self._steps_per_epoch = steps_per_epoch
        self._every_steps = checkpoint_every_steps
        self._is_main = is_main
        self._tokens_before = 0.0
        self.stopped: stopping.Reason | None = None

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> TrainerControl:
        """Save and stop where due. At the end of an epoch, validation comes before the checkpoint, so neither is done here."""
        self.stopped = agreed(stopping.requested(self._output_dir))
        if self.stopped is not None:
            control.should_training_stop = True
        if not self._is_epoch_end(state):
            is_due = bool(self._every_steps) and state.global_step % (self._every_steps or 1) == 0
            control.should_save = is_due or self.stopped is stopping.Reason.PAUSE
        return control

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> TrainerControl:
        """Save; but an epoch that was broken off is neither validated nor an epoch's checkpoint."""
        control.should_save = self._is_epoch_end(state)
        control.should_evaluate = control.should_evaluate and self._is_epoch_end(state)
        return control

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        """Report a step.

        Raises:
            Diverged: its loss is not finite.
        """
        if not logs or "loss" not in logs:
            return
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise Diverged(f"the loss of step {state.global_step} is {loss}: lower learning_rate_multiplier")
        tokens = logs.get("num_tokens", 0.0)
        fields = {
            "step": state.global_step,
            "epoch": round(state.epoch or 0.0, 6),
            "train_loss": loss,
            "train_mean_token_accuracy": logs.get("mean_token_accuracy"),
            "learning_rate": logs.get("learning_rate"),
            "tokens": int(tokens - self._tokens_before),
        }
        if "rewards/accuracies" in logs:
            fields["train_reward_accuracy"] = logs["rewards/accuracies"]
        self._tokens_before = tokens
        self._say("step", **fields)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Report a validation."""
        if metrics:
            self._say(
                "validation",
                step=state.global_step,
                epoch=round(state.epoch or 0.0, 6),
                valid_loss=_finite(metrics.get("eval_loss")),
                valid_mean_token_accuracy=_finite(metrics.get("eval_mean_token_accuracy")),
            )

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **passed: Any) -> None:
        """Make a checkpoint count, say so, and remove what it replaces."""
        if not self._is_main:
            return
        self._sync()
        epoch_end = self._is_epoch_end(state)
        if epoch_end and self._score is not None:
            self._score(passed["model"], checkpoints.path_of(self._output_dir, state.global_step))
        made = checkpoints.complete(self._output_dir, state.global_step, epoch=round(state.epoch or 0.0, 6), epoch_end=epoch_end)
        say_checkpoint(self._say, made)
        checkpoints.prune(self._output_dir)

    def _is_epoch_end(self, state: TrainerState) -> bool:
        return bool(state.global_step % self._steps_per_epoch == 0)


def agreed(asked: stopping.Reason | None) -> stopping.Reason | None:
    """What the first worker has been asked: one that stopped alone would leave the others waiting for it."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return asked
    told = [asked]
    dist.broadcast_object_list(told, src=0)
    return told[0]


def say_checkpoint(say: Say, made: checkpoints.Checkpoint) -> None:
    say("checkpoint", step=made.step, epoch=made.epoch, path=str(made.path), epoch_end=made.epoch_end)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None

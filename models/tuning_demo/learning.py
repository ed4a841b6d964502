"""Training from nothing, for a fixed number of steps: the same weights on the same machine, however busy it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_WARM_UP_STEPS = 10
_LAST_SHARE = 0.03
_LOG_EVERY = 20

Batch = Mapping[str, Any]


def learn(model: Any, next_batch: Callable[[int], Batch], *, steps: int, log: Callable[[int, float], None] | None = None) -> float:
    """Train on ``next_batch(step)``, which has what the model takes and ``labels``; return the mean loss of the last tenth."""
    import torch

    from models.demo.optimizer import DemoOptimizer

    optimizer = DemoOptimizer(model)
    model.train()
    losses: list[float] = []
    for step in range(steps):
        loss = model(**next_batch(step)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step(_share(step, steps))
        losses.append(loss.item())
        if log is not None and (step + 1) % _LOG_EVERY == 0:
            log(step + 1, losses[-1])
    model.eval()
    tail = losses[-max(1, steps // 10) :]
    return sum(tail) / len(tail)


def _share(step: int, steps: int) -> float:
    if step < _WARM_UP_STEPS:
        return (step + 1) / _WARM_UP_STEPS
    return max(_LAST_SHARE, 1 - (step - _WARM_UP_STEPS) / max(1, steps - _WARM_UP_STEPS))


def padded(rows: list[tuple[list[int], list[int]]], pad_id: int) -> dict[str, Any]:
    """``(ids, labels)`` of rows as one batch: [rows, longest]."""
    import torch

    def fill(lists: list[list[int]], value: int) -> Any:
        return torch.nn.utils.rnn.pad_sequence([torch.tensor(ids) for ids in lists], batch_first=True, padding_value=value)

    ids, labels = zip(*rows, strict=True)
    return {
        "input_ids": fill(list(ids), pad_id),
        "labels": fill(list(labels), -100),
        "attention_mask": fill([[1] * len(one) for one in ids], 0),
    }

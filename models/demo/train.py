"""Train the demo model: ``python -m models.demo.train``.

One thread and one seed: the same machine and library versions give the same weights. The stages:

1. quotations: short texts that say something again, from which the network learns to copy order ids, items and names;
2. dialogues, with quotations added to every second step and a long prompt to some.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import os
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.demo import compact

if TYPE_CHECKING:
    from models.demo.batches import BatchMaker
    from models.demo.network import DemoNetwork

_REPORT_EVERY_STEPS = 25
_WARM_UP_STEPS = 60
_LOWEST_FACTOR = 0.02
_QUOTATION_WEIGHT = 0.5
_LONG_WEIGHT = 0.3


@dataclass(frozen=True)
class Plan:
    """What a run does; recorded in the manifest."""

    seed: int = 7
    quotation_steps: int = 300
    dialogue_steps: int = 3300
    batch_size: int = 10
    long_prompt_every_steps: int = 40
    continued_from: str | None = None
    """SHA-256 of the weights that the run began with; ``None``: random ones."""
    peak: float = 1.0
    """Highest factor of the learning rates."""

    @property
    def steps(self) -> int:
        return self.quotation_steps + self.dialogue_steps


class Progress:
    """Prints losses and the expected end, and remembers the last losses of each kind."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._started_s = time.monotonic()
        self._started_cpu_s = time.process_time()
        self._losses: dict[str, deque[float]] = {}
        self.tokens = 0

    def record(self, kind: str, loss: float, tokens: int) -> None:
        self._losses.setdefault(kind, deque(maxlen=100)).append(loss)
        self.tokens += tokens

    @property
    def mean_losses(self) -> dict[str, float]:
        """Mean of the last hundred losses of each kind."""
        return {kind: round(sum(values) / len(values), 4) for kind, values in self._losses.items()}

    @property
    def cpu_s(self) -> float:
        return time.process_time() - self._started_cpu_s

    @property
    def wall_s(self) -> float:
        return time.monotonic() - self._started_s

    def report(self, step: int) -> None:
        remaining_s = self.wall_s / step * (self._plan.steps - step)
        losses = "  ".join(f"{kind} {loss:.4f}" for kind, loss in self.mean_losses.items())
        print(
            f"step {step}/{self._plan.steps}  {losses}  cpu {self.cpu_s:.0f} s  about {remaining_s:.0f} s left",
            file=sys.stderr,
            flush=True,
        )


def train(plan: Plan, out: Path, begin: Path | None = None) -> dict[str, Any]:
    """Train by ``plan``, write the compact form to ``out`` and return its manifest's facts.

    ``begin``: folder with the compact form to go on from. Its own manifest is kept in the new one, and its rows are joined by
    fresh ones for tokens that today's dialogues need beside them.
    """
    import torch

    from models.demo.batches import BatchMaker, used_token_ids
    from models.demo.harmony import HarmonyRenderer
    from models.demo.network import DemoNetwork

    torch.set_num_threads(1)
    renderer = HarmonyRenderer()
    print("collecting the tokens that the dialogues use ...", file=sys.stderr, flush=True)
    earlier = compact.load(begin) if begin is not None else None
    rows_before = earlier.token_ids.tolist() if earlier is not None else []
    token_ids = used_token_ids(renderer, plan.seed, also=rows_before)
    network = DemoNetwork(token_ids, plan.seed)
    if earlier is not None:
        network.restore(earlier)
    fresh_rows = len(token_ids) - len(rows_before)
    print(f"{len(token_ids)} tokens, {fresh_rows} new, {network.parameter_count:,} parameters", file=sys.stderr, flush=True)
    progress = Progress(plan)
    _run(plan, network, BatchMaker(renderer, token_ids, plan.seed), progress)
    facts = _facts(plan, progress)
    if begin is not None:
        facts["fresh_rows"] = fresh_rows
        facts["earlier"] = compact.read_manifest(begin)
    compact.save(out, network.compact(), facts)
    return facts


def _run(plan: Plan, network: DemoNetwork, batches: BatchMaker, progress: Progress) -> None:
    import torch

    from models.demo.optimizer import DemoOptimizer

    optimizer = DemoOptimizer(network)
    dialogues = batches.dialogues(plan.batch_size)

    def learn(kind: str, batch: Any, weight: float = 1.0) -> None:
        loss = network.loss(batch.indices, batch.labels, batch.mask)
        (loss * weight).backward()
        progress.record(kind, loss.item(), batch.tokens)

    network.train()
    for step in range(1, plan.steps + 1):
        if step <= plan.quotation_steps:
            learn("quotation", batches.quotations(4 * plan.batch_size))
        else:
            learn("dialogue", next(dialogues))
            if step % 2 == 0:
                learn("quotation", batches.quotations(2 * plan.batch_size), _QUOTATION_WEIGHT)
            if step % plan.long_prompt_every_steps == 0:
                learn("long", batches.long_dialogue(), _LONG_WEIGHT)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step(plan.peak * _learning_rate_factor(step, plan.steps))
        if step % _REPORT_EVERY_STEPS == 0 or step == plan.steps:
            progress.report(step)


def _learning_rate_factor(step: int, steps: int) -> float:
    """Up within the first steps, then down in a straight line."""
    return min(1.0, step / _WARM_UP_STEPS) * max(_LOWEST_FACTOR, 1 - (step - 1) / steps)


def _facts(plan: Plan, progress: Progress) -> dict[str, Any]:
    from models.demo.architecture import network_config

    return {
        "network": network_config(),
        "plan": asdict(plan),
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "losses": progress.mean_losses,
        "tokens": progress.tokens,
        "cpu_s": round(progress.cpu_s),
        "wall_s": round(progress.wall_s),
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers", "oss-harmony")},
    }


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    plan = Plan()
    parser = argparse.ArgumentParser(
        prog="python -m models.demo.train",
        description="Train the demo model on one thread and write its compact weights. Takes about an hour.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=Path(".models/gpt-oss-demo-compact"), help="folder for the compact weights")
    parser.add_argument("--seed", type=int, default=plan.seed, help="seed of the weights, the dialogues and the drills")
    parser.add_argument("--quotation-steps", type=int, default=plan.quotation_steps, help="steps of the first stage")
    parser.add_argument("--dialogue-steps", type=int, default=plan.dialogue_steps, help="steps of the second stage")
    parser.add_argument("--batch-size", type=int, default=plan.batch_size, help="dialogues in a step")
    parser.add_argument("--continue-from", type=Path, help="folder with compact weights to go on from")
    parser.add_argument("--peak", type=float, default=plan.peak, help="highest factor of the learning rates; less to go on")
    options = parser.parse_args(argv)
    # Read when the libraries are loaded, so it has to be set before.
    os.environ["OMP_NUM_THREADS"] = "1"
    begin: Path | None = options.continue_from
    plan = Plan(
        options.seed,
        options.quotation_steps,
        options.dialogue_steps,
        options.batch_size,
        continued_from=compact.read_manifest(begin)["sha256"] if begin is not None else None,
        peak=options.peak,
    )
    facts = train(plan, options.out, begin)
    print(f"{options.out}: losses {facts['losses']}, {facts['cpu_s']} CPU seconds", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())

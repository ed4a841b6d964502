"""Our training job against plain TRL on the same work: ``python -m bench.tuning [--repeats 5] [--json FILE]``.

Both read the same file of rows, tokenize it, train the same adapter on the same tiny model with the same batches, log each step,
save a checkpoint for each epoch and the adapter at the end. They take turns in one process after one warm-up each, so that imports
count for neither. A tiny model makes the most of what isn't matrix multiplication: with a real one the difference is smaller.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cluster.tuning.recipes import qwen3
from cluster.tuning.training.job import missing_packages, train_job
from cluster.tuning.training.spec import TrainSpec
from models.tuning_demo import shapes, shop, text

_EPOCHS, _BATCH = 2, qwen3.RECIPE.micro_batch_rows
_SEED = 3


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.tuning", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="turns of each (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=160, help="rows of the training file (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args(argv)
    if missing_packages():
        print("bench: scripts/setup.sh --tuning installs what this needs", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), rows=options.rows, repeats=options.repeats)
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def measure(folder: Path, *, rows: int, repeats: int) -> dict[str, Any]:
    """Medians over ``repeats`` turns, and the median of each turn's ratio (ours over TRL's)."""
    words = text.tokenizer()
    base, file = folder / "base", folder / "rows.jsonl"
    shapes.make_text_model("qwen3", words, seed=_SEED).save_pretrained(base)
    words.save_pretrained(base)
    examples = [shop.task_row(made) for made in shop.customers(_SEED, rows)]
    file.write_text("".join(json.dumps(row) + "\n" for row in examples))

    tokens = 0
    turns: dict[str, list[tuple[float, float]]] = {"ours": [], "trl": []}
    for turn in range(repeats + 1):
        spec = _spec(base, file, folder / f"ours-{turn}")
        tokens = _tokens(spec) if turn == 0 else tokens
        for name, work in (("ours", lambda: train_job(spec)), ("trl", lambda: _plain(base, file, folder / f"trl-{turn}"))):  # noqa: B023
            spent = _timed(work)
            if turn:  # the first is the warm-up
                turns[name].append(spent)
    out: dict[str, Any] = {"rows": rows, "epochs": _EPOCHS, "batch": _BATCH, "tokens": tokens, "repeats": repeats}
    for name, all_spent in turns.items():
        wall_s, cpu_s = (statistics.median(values) for values in zip(*all_spent, strict=True))
        out[name] = {"wall_s": wall_s, "cpu_s": cpu_s, "tokens_per_s": tokens / wall_s, "tokens_per_cpu_s": tokens / cpu_s}
    pairs = list(zip(turns["trl"], turns["ours"], strict=True))
    out["ratio_tokens_per_s"] = statistics.median(trl[0] / ours[0] for trl, ours in pairs)
    out["ratio_tokens_per_cpu_s"] = statistics.median(trl[1] / ours[1] for trl, ours in pairs)
    return out


def _spec(base: Path, file: Path, output_dir: Path) -> TrainSpec:
    numbers = {"n_epochs": _EPOCHS, "batch_size": _BATCH, "learning_rate_multiplier": 1.0}
    return TrainSpec.model_validate(
        {
            "job_id": output_dir.name,
            "base_model": base,
            "training_file": file,
            "output_dir": output_dir,
            "hyperparameters": numbers,
            "seed": _SEED,
        }
    )


def _tokens(spec: TrainSpec) -> int:
    """Tokens of all epochs."""
    from cluster.tuning.training.encoding import Renderer
    from cluster.tuning.training.loop import data, model

    tokenizer = model.load_tokenizer(spec.base_model)
    found = data.load_text(spec.training_file, spec.method, Renderer(tokenizer, {}), tokenizer, max_length_tokens=1 << 20)
    return found.tokens * _EPOCHS


def _plain(base: Path, file: Path, output_dir: Path) -> None:
    """As TRL's documentation has it, with our numbers."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    recipe = qwen3.RECIPE
    trainer = SFTTrainer(
        model=str(base),
        args=SFTConfig(
            output_dir=str(output_dir),
            model_init_kwargs={"dtype": torch.float32},
            per_device_train_batch_size=_BATCH,
            num_train_epochs=_EPOCHS,
            learning_rate=recipe.lora_rate,
            warmup_steps=1,
            logging_steps=1,
            save_strategy="epoch",
            save_total_limit=3,
            max_length=None,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            dataloader_pin_memory=False,
            report_to="none",
            disable_tqdm=True,
            seed=_SEED,
        ),
        train_dataset=Dataset.from_list([json.loads(line) for line in file.read_text().splitlines()]),
        processing_class=AutoTokenizer.from_pretrained(base),
        peft_config=LoraConfig(
            r=recipe.lora_rank,
            lora_alpha=round(recipe.lora_rank * recipe.lora_alpha_ratio),
            target_modules=list(recipe.lora_targets),
            task_type="CAUSAL_LM",
        ),
    )
    trainer.train()
    trainer.save_model(str(output_dir / "adapter"))


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall_s, time.process_time() - cpu_s


if __name__ == "__main__":
    sys.exit(main())

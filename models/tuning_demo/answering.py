"""Asking a model of these, greedily: how many rows of a file it answers word by word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_BATCH = 30


def answers(folder: Path, adapter: Path | None, rows: list[dict[str, Any]], *, max_tokens: int = 48) -> list[str]:
    """What the model in ``folder``, with ``adapter``, says to each row's prompt."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    words = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(adapter))
    model.eval()
    found: list[str] = []
    for begin in range(0, len(rows), _BATCH):
        texts = [
            words.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
            for row in rows[begin : begin + _BATCH]
        ]
        batch = words(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.inference_mode():
            out = model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                do_sample=False,
                max_new_tokens=max_tokens,
                pad_token_id=words.pad_token_id,
                eos_token_id=words.eos_token_id,
            )
        found += words.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return found


def exact(folder: Path, adapter: Path | None, rows: list[dict[str, Any]]) -> float:
    """The share of rows whose completion it gives exactly."""
    said = answers(folder, adapter, rows)
    right = [one == row["completion"][0]["content"] for one, row in zip(said, rows, strict=True)]
    return right.count(True) / len(right)

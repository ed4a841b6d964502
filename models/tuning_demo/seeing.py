"""Asking a tiny model that sees about pictures, and how often it is right."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from models.tuning_demo.pictures import Picture, catalogue_row, picture

__all__ = ["answers", "catalogue_row", "exact", "pictures_of"]

_BATCH, _MAX_TOKENS = 20, 12


def pictures_of(seed: int, count: int) -> list[Picture]:
    """``count`` pictures."""
    rng = random.Random(seed)
    return [picture(rng) for _ in range(count)]


def answers(folder: Path, adapter: Path | None, rows: list[dict[str, Any]], images: list[bytes]) -> list[str]:
    """What the model in ``folder``, with ``adapter``, says to each row's prompt about its picture."""
    import io

    import torch
    from PIL import Image
    from transformers import AutoModelForImageTextToText, AutoProcessor

    torch.set_num_threads(1)
    sees = AutoProcessor.from_pretrained(folder)
    sees.tokenizer.padding_side = "left"
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(adapter))
    model.eval()
    found: list[str] = []
    for begin in range(0, len(rows), _BATCH):
        texts = [
            sees.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
            for row in rows[begin : begin + _BATCH]
        ]
        seen = [[Image.open(io.BytesIO(data)).convert("RGB")] for data in images[begin : begin + _BATCH]]
        batch = sees(text=texts, images=seen, padding=True, add_special_tokens=False, return_tensors="pt")
        with torch.inference_mode():
            out = model.generate(
                **batch,
                do_sample=False,
                max_new_tokens=_MAX_TOKENS,
                pad_token_id=sees.tokenizer.pad_token_id,
                eos_token_id=sees.tokenizer.eos_token_id,
            )
        found += sees.tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return found


def exact(folder: Path, adapter: Path | None, pictures: list[Picture]) -> float:
    """The share of pictures that it catalogues rightly."""
    said = answers(folder, adapter, [catalogue_row(made) for made in pictures], [made.png for made in pictures])
    return sum(one == made.catalogued for one, made in zip(said, pictures, strict=True)) / len(pictures)

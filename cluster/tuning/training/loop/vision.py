"""Batches of rows with images.

The processor writes as many image tokens into a prompt as its pictures need; the completion, which has none, is tokenized and put
behind. So labels stand where they do for text.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image, UnidentifiedImageError

from cluster.tuning.recipes.recipe import ImageLayout
from cluster.tuning.training import rows
from cluster.tuning.training.encoding import IGNORED, Renderer, completion_ids
from cluster.tuning.training.errors import InvalidRow

#: Beyond this a picture is taken for a decompression bomb: 100 megapixels.
_MAX_PIXELS = 100_000_000


@dataclass(frozen=True, slots=True)
class ImageRow:
    """``ids`` and ``labels``: [tokens]. ``pixels``: what the processor adds, each [1, images, …] or [images, …] by the layout."""

    ids: torch.Tensor
    labels: torch.Tensor
    pixels: dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class ImageEncoder:
    """Turns rows of one file into tokens and pixels."""

    processor: Any
    renderer: Renderer

    def encode(self, number: int, row: rows.SupervisedRow) -> ImageRow:
        """One row.

        Raises:
            InvalidRow: a picture can't be read, a text has the mark of a picture in it, or see :meth:`Renderer.split`.
        """
        context, completion = self.split(number, row)
        pictures = [_picture(number, place, data) for place, data in enumerate(row.images)]
        images = [pictures] if pictures else None
        try:
            encoded = self.processor(text=[context], images=images, add_special_tokens=False, return_tensors="pt")
        except ValueError as error:
            raise InvalidRow(number, f"the model's processor refuses it: {error}") from error
        answer = torch.tensor(completion_ids(number, completion, self.processor.tokenizer))
        prompt_ids = encoded.pop("input_ids")[0]
        encoded.pop("attention_mask", None)
        return ImageRow(
            ids=torch.cat((prompt_ids, answer)),
            labels=torch.cat((torch.full_like(prompt_ids, IGNORED), answer)),
            pixels=dict(encoded),
        )

    def split(self, number: int, row: rows.SupervisedRow) -> tuple[str, str]:
        """Text of the prompt and of the completion, each picture a mark.

        Raises:
            InvalidRow: see :meth:`Renderer.split`.
        """
        prompt = [as_parts(message) for message in row.prompt]
        return self.renderer.split(number, prompt, as_parts(row.completion), row.tools)


@dataclass(frozen=True, slots=True)
class ImageCollator:
    """Reads the rows that a batch names and puts them side by side. Rows with and without pictures may be mixed."""

    encoder: ImageEncoder
    layout: ImageLayout

    def __call__(self, batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        encoded = [
            self.encoder.encode(place["line"], rows.supervised(place["line"], rows.line_at(Path(place["file"]), place["offset"])))
            for place in batch
        ]
        return collate(encoded, self.layout, self.encoder.processor.tokenizer.pad_token_id)


def collate(encoded: list[ImageRow], layout: ImageLayout, pad_id: int) -> dict[str, torch.Tensor]:
    """Tokens filled up on the right; pixels as ``layout`` says."""
    pad = torch.nn.utils.rnn.pad_sequence
    out = {
        "input_ids": pad([row.ids for row in encoded], batch_first=True, padding_value=pad_id),
        "labels": pad([row.labels for row in encoded], batch_first=True, padding_value=IGNORED),
        "attention_mask": pad([torch.ones_like(row.ids) for row in encoded], batch_first=True),
    }
    for name in sorted({name for row in encoded for name in row.pixels}):
        parts = [row.pixels[name] for row in encoded if name in row.pixels]
        out[name] = torch.cat(parts) if layout == "listed" else _filled(encoded, name, parts)
    return out


def _filled(encoded: list[ImageRow], name: str, parts: list[torch.Tensor]) -> torch.Tensor:
    """[rows, most images, …]: images that a row has not are zeros, which the model drops."""
    shape = [max(part.shape[axis] for part in parts) for axis in range(1, parts[0].dim())]
    filled = parts[0].new_zeros((len(encoded), *shape))
    for place, row in enumerate(encoded):
        part = row.pixels.get(name)
        if part is not None:
            filled[(place, *(slice(size) for size in part.shape[1:]))] = part[0]
    return filled


def as_parts(message: rows.Message) -> rows.Message:
    """Templates of models that see take lists of parts."""
    content = message["content"]
    return message if isinstance(content, list) else {**message, "content": [{"type": "text", "text": content}]}


def _picture(number: int, place: int, data: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise InvalidRow(number, f"images.{place} has {image.width} x {image.height} pixels")
            return image.convert("RGB")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise InvalidRow(number, f"images.{place} is no picture that can be read: {error}") from error

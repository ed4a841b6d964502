"""Pictures of one coloured shape, 32 by 32, and what can be said of them."""

from __future__ import annotations

import base64
import io
import random
from dataclasses import dataclass
from typing import Any

SIDE = 32
COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 80, 220), "yellow": (230, 210, 50)}
SHAPES = ("circle", "square", "triangle")
CATALOGUE = "Catalogue it."
LESSONS = {
    "Describe it.": "{colour} {shape}",
    "Name the shape.": "{shape}",
    "Name the colour.": "{colour}",
    "Say the shape twice.": "{shape}, {shape}",
    "Say the colour twice.": "{colour}, {colour}",
}
"""What the base learns. All words of a catalogue's answer are in it, never in that order: an adapter can't teach new words."""


@dataclass(frozen=True, slots=True)
class Picture:
    """``png`` is the encoded file."""

    colour: str
    shape: str
    png: bytes

    def answer(self, question: str) -> str:
        """The right answer to one of :data:`LESSONS`."""
        return LESSONS[question].format(colour=self.colour, shape=self.shape)

    @property
    def catalogued(self) -> str:
        """The answer to :data:`CATALOGUE`, which it is tuned to give."""
        return f"{self.shape}, {self.colour}"


def picture(rng: random.Random) -> Picture:
    """One of the twelve, in some place and size, on a light ground."""
    from PIL import Image, ImageDraw

    colour, shape = rng.choice(list(COLOURS)), rng.choice(SHAPES)
    ground = tuple(rng.randrange(225, 256) for _ in range(3))
    image = Image.new("RGB", (SIDE, SIDE), ground)
    half = rng.randrange(8, 12)
    x, y = rng.randrange(half + 1, SIDE - half - 1), rng.randrange(half + 1, SIDE - half - 1)
    ink = tuple(min(255, max(0, value + rng.randrange(-20, 21))) for value in COLOURS[colour])
    draw = ImageDraw.Draw(image)
    box = (x - half, y - half, x + half, y + half)
    if shape == "circle":
        draw.ellipse(box, fill=ink)
    elif shape == "square":
        draw.rectangle(box, fill=ink)
    else:
        draw.polygon(((x, y - half), (x - half, y + half), (x + half, y + half)), fill=ink)
    out = io.BytesIO()
    image.save(out, "PNG")
    return Picture(colour, shape, out.getvalue())


def row(made: Picture, question: str, answer: str) -> dict[str, Any]:
    """A row as training files have them."""
    return {
        "prompt": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}],
        "completion": [{"role": "assistant", "content": answer}],
        "images": [{"data": base64.b64encode(made.png).decode(), "media_type": "image/png"}],
    }


def catalogue_row(made: Picture) -> dict[str, Any]:
    """The task, answered rightly."""
    return row(made, CATALOGUE, made.catalogued)


def corpus() -> list[str]:
    """Texts to make a vocabulary of."""
    said = [
        form.format(colour=colour, shape=shape)
        for colour in COLOURS
        for shape in SHAPES
        for form in (*LESSONS.values(), "{shape}, {colour}")
    ]
    return [*said * 5, *LESSONS, CATALOGUE, "user\nassistant\n"]

"""A tiny Idefics3 that says what it sees: a two-layer SigLIP before a two-layer Llama, trained from nothing on captions."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cluster.tuning.training import rows
from cluster.tuning.training.encoding import Renderer
from models.tuning_demo import learning, pictures, vocabulary

SEED = 20_260_102
STEPS = 700
BATCH_ROWS = 24
_PATCH, _SCALE = 8, 2
#: Tokens of the language model that a picture becomes.
IMAGE_TOKENS = (pictures.SIDE // _PATCH // _SCALE) ** 2


def processor(tokenizer: Any) -> Any:
    """Idefics3's, for pictures of 32 by 32 that are never cut into tiles."""
    from transformers import Idefics3Processor
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    side = {"longest_edge": pictures.SIDE}
    image_processor = Idefics3ImageProcessorPil(size=side, max_image_size=side, do_image_splitting=False)
    return Idefics3Processor(image_processor, tokenizer, image_seq_len=IMAGE_TOKENS, chat_template=vocabulary.CHAT_TEMPLATE)


def config(tokenizer: Any) -> Any:
    """0.7 million parameters."""
    from transformers import Idefics3Config

    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    return Idefics3Config(
        image_token_id=tokenizer.convert_tokens_to_ids(vocabulary.IMAGE),
        scale_factor=_SCALE,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": pictures.SIDE,
            "patch_size": _PATCH,
        },
        text_config={
            "model_type": "llama",
            "vocab_size": len(tokenizer),
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 32,
            "max_position_embeddings": 512,
            **ids,
        },
    )


def make_random(folder: Path) -> None:
    """Write a model that knows nothing."""
    import torch
    from transformers import Idefics3ForConditionalGeneration

    torch.manual_seed(SEED)
    words = vocabulary.build(pictures.corpus())
    Idefics3ForConditionalGeneration(config(words)).save_pretrained(folder)
    processor(words).save_pretrained(folder)


def fill(folder: Path, *, steps: int = STEPS, log: Callable[[int, float], None] | None = None) -> float:
    """Write the base into ``folder``; return its last loss."""
    import torch
    from transformers import Idefics3ForConditionalGeneration

    from cluster.tuning.training.loop.vision import ImageEncoder, collate

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    words = vocabulary.build(pictures.corpus())
    sees = processor(words)
    model = Idefics3ForConditionalGeneration(config(words))
    encoder = ImageEncoder(sees, Renderer(sees, {}))
    rng = random.Random(SEED)

    def batch(step: int) -> learning.Batch:
        del step
        encoded = []
        for _ in range(BATCH_ROWS):
            made = pictures.picture(rng)
            question = rng.choice(list(pictures.LESSONS))
            row = pictures.row(made, question, made.answer(question))
            supervised = rows.SupervisedRow(row["prompt"], row["completion"][0], None, (made.png,))
            encoded.append(encoder.encode(1, supervised))
        return collate(encoded, "filled", words.pad_token_id)

    loss = learning.learn(model, batch, steps=steps, log=log)
    model.save_pretrained(folder)
    sees.save_pretrained(folder)
    return loss

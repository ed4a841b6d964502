"""A chat model that hears, of random weights: Qwen2-Audio's architecture in two megabytes, for tests of what serves such models.

    python -m models.speech.audio_chat [FOLDER]

It answers nonsense, which depends on what it has heard.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from models import folder as model_folder
from models.speech.byte_tokenizer import byte_tokenizer

DEFAULT_FOLDER: Final = Path(".models/tiny-audio-chat")
_SEED: Final = 20260102
_STAMP: Final = {"kind": "tiny-audio-chat", "version": 1}
_MARKS: Final = ["<|end|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"]
_CHAT_TEMPLATE: Final = (
    "{% for message in messages %}<|{{ message.role }}|>"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% else %}<|audio_bos|><|AUDIO|><|audio_eos|>{% endif %}"
    "{% endfor %}{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def fill(folder: Path) -> None:
    """Write configuration, weights, tokenizer, processor and chat template."""
    import torch
    from transformers import (
        Qwen2AudioConfig,
        Qwen2AudioEncoderConfig,
        Qwen2AudioForConditionalGeneration,
        Qwen2AudioProcessor,
        Qwen2Config,
        WhisperFeatureExtractor,
    )

    tokenizer = byte_tokenizer(_MARKS, end="<|end|>", pad="<|pad|>", max_tokens=4096)
    ids: dict[str, int] = tokenizer.get_vocab()
    audio = Qwen2AudioEncoderConfig(
        num_mel_bins=128,
        d_model=64,
        encoder_layers=1,
        encoder_attention_heads=2,
        encoder_ffn_dim=64,
        initializer_range=0.2,  # so large that the answer depends on the sound
    )
    text = Qwen2Config(
        vocab_size=len(ids),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        initializer_range=0.2,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=ids["<|end|>"],
        pad_token_id=ids["<|pad|>"],
    )
    config = Qwen2AudioConfig(audio_config=audio, text_config=text, audio_token_index=ids["<|AUDIO|>"])
    torch.manual_seed(_SEED)
    Qwen2AudioForConditionalGeneration(config).to(torch.float32).save_pretrained(folder)
    _name_as_published(folder / "model.safetensors")
    extractor = WhisperFeatureExtractor(feature_size=128, return_attention_mask=True)
    Qwen2AudioProcessor(extractor, tokenizer, chat_template=_CHAT_TEMPLATE).save_pretrained(folder)


def _name_as_published(file: Path) -> None:
    """The names of the published checkpoints, which vLLM reads: transformers 5 writes one level more."""
    from safetensors.torch import load_file, save_file

    weights = {
        name.replace("language_model.model.model.", "language_model.model.", 1): weight for name, weight in load_file(file).items()
    }
    save_file(weights, file, metadata={"format": "pt"})


def make(folder: Path = DEFAULT_FOLDER) -> Path:
    """The model's folder, filled unless it is current."""
    model_folder.make(folder, _STAMP, fill)
    return folder


if __name__ == "__main__":
    print(make(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER))

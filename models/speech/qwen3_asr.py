"""A Qwen3-ASR of random weights, in the shape of the real ones and a megabyte: for tests of what loads and runs them.

    python -m models.speech.qwen3_asr [FOLDER]

It answers every sound with nonsense, which depends on the sound.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from models import folder as model_folder
from models.speech.byte_tokenizer import byte_tokenizer

DEFAULT_FOLDER: Final = Path(".models/tiny-qwen3-asr")
_SEED: Final = 20260103
_STAMP: Final = {"kind": "tiny-qwen3-asr", "version": 1}
_MARKS: Final = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|audio_start|>", "<|audio_pad|>", "<|audio_end|>", "<asr_text>"]


def fill(folder: Path) -> None:
    """Write configuration, weights, tokenizer and feature extractor."""
    import torch
    from transformers import Qwen3Config
    from transformers.models.qwen3_asr import (
        Qwen3ASRConfig,
        Qwen3ASREncoderConfig,
        Qwen3ASRFeatureExtractor,
        Qwen3ASRForConditionalGeneration,
        Qwen3ASRProcessor,
    )

    tokenizer = byte_tokenizer(
        _MARKS,
        end="<|im_end|>",
        pad="<|endoftext|>",
        max_tokens=2048,
        audio_token="<|audio_pad|>",
        audio_bos_token="<|audio_start|>",
        audio_eos_token="<|audio_end|>",
    )
    ids: dict[str, int] = tokenizer.get_vocab()
    ends = [ids["<|endoftext|>"], ids["<|im_end|>"]]
    audio = Qwen3ASREncoderConfig(
        d_model=64,
        encoder_layers=1,
        encoder_attention_heads=2,
        encoder_ffn_dim=64,
        downsample_hidden_size=16,
        output_dim=128,
        initializer_range=0.2,  # so large that the answer depends on the sound
    )
    text = Qwen3Config(
        vocab_size=len(ids),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=2048,
        initializer_range=0.2,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=ends,
        pad_token_id=ends[0],
    )
    config = Qwen3ASRConfig(
        audio_config=audio,
        text_config=text,
        audio_token_id=ids["<|audio_pad|>"],
        pad_token_id=ends[0],
        eos_token_id=ends,
        initializer_range=0.2,
        tie_word_embeddings=True,
    )
    torch.manual_seed(_SEED)
    Qwen3ASRForConditionalGeneration(config).to(torch.float32).save_pretrained(folder)
    Qwen3ASRProcessor(Qwen3ASRFeatureExtractor(), tokenizer).save_pretrained(folder)


def make(folder: Path = DEFAULT_FOLDER) -> Path:
    """The model's folder, filled unless it is current."""
    model_folder.make(folder, _STAMP, fill)
    return folder


if __name__ == "__main__":
    print(make(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER))

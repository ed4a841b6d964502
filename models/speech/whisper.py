"""A Whisper of random weights, in the shape of the real ones and a few hundred kilobytes: for tests of what loads and runs them.

    python -m models.speech.whisper [FOLDER]

vLLM wants all of the languages that Whisper was taught (``all_languages``); heads have the least size that its CPU kernels take.
It answers every sound with the same kind of nonsense; what matters is that files, tokens and tensors fit together.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from models import folder as model_folder

DEFAULT_FOLDER = Path(".models/tiny-whisper")
_SEED = 20260101
_FEW_LANGUAGES = ("en", "de", "es", "fr")
_STAMP = {"kind": "tiny-whisper", "version": 4}


def fill(folder: Path, languages: Sequence[str] = _FEW_LANGUAGES) -> None:
    """Write configuration, weights, tokenizer and feature extractor."""
    import torch
    from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    tokenizer = _tokenizer(languages)
    ids: dict[str, int] = tokenizer.get_vocab()
    end, start = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    config = WhisperConfig(
        vocab_size=len(ids),
        num_mel_bins=80,
        d_model=64,
        encoder_layers=1,
        encoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=64,
        max_target_positions=64,
        init_std=0.5,  # so large that the answer depends on the sound
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
    )
    torch.manual_seed(_SEED)
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        max_length=24,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
        no_timestamps_token_id=ids["<|notimestamps|>"],
        prev_sot_token_id=ids["<|startofprev|>"],
        is_multilingual=True,
        lang_to_id={f"<|{language}|>": ids[f"<|{language}|>"] for language in languages},
        task_to_id={"transcribe": ids["<|transcribe|>"], "translate": ids["<|translate|>"]},
        return_timestamps=False,
        suppress_tokens=sorted(number for name, number in ids.items() if name.startswith("<|") and number != end),
        begin_suppress_tokens=[end],
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)


def _tokenizer(languages: Sequence[str]) -> Any:
    """One token a byte, and the marks of Whisper."""
    from transformers import WhisperTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    symbols = list(bytes_to_unicode().values())
    marks = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{language}|>" for language in languages)]
    marks += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    vocabulary = {symbol: number for number, symbol in enumerate([*symbols, *marks])}
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=[], language="en", task="transcribe")
    tokenizer.add_special_tokens({"extra_special_tokens": marks[1:]})
    return tokenizer


def make(folder: Path = DEFAULT_FOLDER, *, all_languages: bool = False) -> Path:
    """The model's folder, filled unless it is current."""
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    languages = tuple(LANGUAGES) if all_languages else _FEW_LANGUAGES
    model_folder.make(folder, _STAMP | {"languages": len(languages)}, partial(fill, languages=languages))
    return folder


if __name__ == "__main__":
    print(make(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER))

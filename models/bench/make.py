"""Make the folders of the bench models: ``python -m models.bench.make --out .models``."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
import time
from pathlib import Path
from typing import Any

from models import folder
from models.bench.shapes import BENCH_MODELS, BYTE_SPECIAL_TOKENS, MAX_CONTEXT_TOKENS, BenchModel
from models.demo import vocabulary

DEFAULT_OUT = Path(".models")

# Raise when this module writes other files from the same shapes.
_VERSION = 2

_CHATML = """\
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' + (message.content or '') + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}
"""


def make(out: Path, model: BenchModel, *, force: bool = False) -> bool:
    """Write ``out/<model.name>`` unless it is there already; return whether anything was written."""
    stamp = {"version": _VERSION, "config": model.config, "oss-harmony": importlib.metadata.version("oss-harmony")}
    return folder.make(out / model.name, stamp, lambda target: _fill(target, model), force=force)


def _fill(target: Path, model: BenchModel) -> None:
    # Readers of the folder look for the version, and warn about the tokenizer when it is missing.
    _write_json(target / "config.json", model.config | {"transformers_version": importlib.metadata.version("transformers")})
    _write_json(
        target / "generation_config.json", {key: model.config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    )
    if model.tokenizer == "harmony":
        tokenizer = vocabulary.build_tokenizer(vocabulary.harmony_encoding())
        special = [vocabulary.special_token(model.config[key]) for key in ("bos_token_id", "pad_token_id")]
        begin, pad, end = *special, vocabulary.special_token(vocabulary.RETURN)
    else:
        tokenizer = byte_tokenizer()
        begin, pad, end = BYTE_SPECIAL_TOKENS[0], BYTE_SPECIAL_TOKENS[0], BYTE_SPECIAL_TOKENS[2]
        (target / "chat_template.jinja").write_text(_CHATML)
    tokenizer.save(str(target / "tokenizer.json"), pretty=False)
    _write_json(
        target / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": begin,
            "eos_token": end,
            "pad_token": pad,
            "clean_up_tokenization_spaces": False,
            "model_max_length": MAX_CONTEXT_TOKENS,
        },
    )


def byte_tokenizer() -> Any:
    """A ``tokenizers.Tokenizer`` with a token for each byte and the three of ChatML: a prompt has as many tokens as bytes."""
    from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE

    alphabet = vocabulary.byte_alphabet()
    tokenizer = Tokenizer(BPE(vocab={character: value for value, character in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in BYTE_SPECIAL_TOKENS])
    return tokenizer


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m models.bench.make", description="Make the folders of the bench models.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder to put the models' folders in (default: %(default)s)")
    parser.add_argument("--force", action="store_true", help="write even if a folder is up to date")
    options = parser.parse_args(argv)
    for number, model in enumerate(BENCH_MODELS, start=1):
        print(f"[{number}/{len(BENCH_MODELS)}] {options.out / model.name} ... ", end="", file=sys.stderr, flush=True)
        started_s = time.monotonic()
        made = make(options.out, model, force=options.force)
        print(f"{time.monotonic() - started_s:.1f} s" if made else "up to date", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

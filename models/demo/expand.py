"""Expand the compact demo model to a Hugging Face folder that vLLM serves: ``python -m models.demo.expand``.

Takes some seconds the first time and next to nothing while nothing has changed: then neither NumPy nor the tokenizer is loaded.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import sys
import time
from pathlib import Path
from typing import Any

from models import folder

DEFAULT_OUT = Path(".models/gpt-oss-demo")
SOURCE = Path(__file__).parent / "weights"

# Raise when this module writes other files from the same weights.
_EXPANSION = 1

_CHAT_TEMPLATE = """\
{#- The engine renders gpt-oss conversations with openai-harmony; this template serves other readers of the folder. -#}
{%- for message in messages -%}
{{- '<|start|>' + message.role }}
{%- if message.role == 'assistant' %}{{ '<|channel|>final' }}{% endif %}
{{- '<|message|>' + (message.content or '') + '<|end|>' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif -%}
"""


def stamp_of(source: Path) -> dict[str, Any]:
    """What an expanded folder depends on."""
    return {
        "expansion": _EXPANSION,
        **{
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (source / "compact.safetensors", source / "manifest.json")
        },
        "oss-harmony": importlib.metadata.version("oss-harmony"),
    }


def expand(out: Path, source: Path = SOURCE, *, force: bool = False) -> bool:
    """Write the expanded model to ``out`` unless it is there already; return whether anything was written.

    Raises:
        WeightsMismatch: the compact weights aren't those of their manifest.
        VocabularyMismatch: the installed ``oss-harmony`` has another vocabulary.
    """
    return folder.make(out, stamp_of(source), lambda target: _fill(target, source), force=force)


def _fill(target: Path, source: Path) -> None:
    steps = (("weights", _write_weights), ("tokenizer", _write_tokenizer))
    for number, (name, step) in enumerate(steps, start=1):
        print(f"[{number}/{len(steps)}] demo model: {name} ... ", end="", file=sys.stderr, flush=True)
        started_s = time.monotonic()
        step(target, source)
        print(f"{time.monotonic() - started_s:.1f} s", file=sys.stderr, flush=True)


def _write_weights(target: Path, source: Path) -> None:
    import numpy as np

    from models.demo import architecture, compact
    from models.demo.vocabulary import VOCABULARY_SIZE

    model = compact.load(source)
    head_rows = compact.to_bits(compact.from_bits(model.rows) * np.float32(model.output_scale))

    def full(rows: compact.Bits) -> compact.Bits:
        table = np.repeat(rows[:1], VOCABULARY_SIZE, axis=0)
        table[model.token_ids] = rows[1:]
        return table

    compact.write_tensors(
        target / "model.safetensors",
        {**model.tensors, "model.embed_tokens.weight": full(model.rows), "lm_head.weight": full(head_rows)},
    )
    manifest = compact.read_manifest(source)
    config = architecture.expanded_config(manifest["network"]) | {"transformers_version": manifest["versions"]["transformers"]}
    for name, content in (
        ("config.json", config),
        ("generation_config.json", architecture.generation_config()),
    ):
        (target / name).write_text(json.dumps(content, indent=1) + "\n")


def _write_tokenizer(target: Path, source: Path) -> None:
    from models.demo import vocabulary
    from models.demo.architecture import MAX_CONTEXT_TOKENS

    vocabulary.build_tokenizer(vocabulary.harmony_encoding()).save(str(target / "tokenizer.json"), pretty=False)
    (target / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "bos_token": vocabulary.special_token(vocabulary.START_OF_TEXT),
                "eos_token": vocabulary.special_token(vocabulary.RETURN),
                "pad_token": vocabulary.special_token(vocabulary.END_OF_TEXT),
                "clean_up_tokenization_spaces": False,
                "model_max_length": MAX_CONTEXT_TOKENS,
            },
            indent=1,
        )
        + "\n"
    )
    (target / "chat_template.jinja").write_text(_CHAT_TEMPLATE)


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m models.demo.expand", description="Expand the demo model for serving.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder to write (default: %(default)s)")
    parser.add_argument("--source", type=Path, default=SOURCE, help="folder with the compact weights (default: the committed ones)")
    parser.add_argument("--force", action="store_true", help="write even if the folder is up to date")
    options = parser.parse_args(argv)
    started_s = time.monotonic()
    if expand(options.out, options.source, force=options.force):
        print(f"demo model: {options.out} made in {time.monotonic() - started_s:.1f} s", file=sys.stderr)
    else:
        print(f"demo model: {options.out} is up to date", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())

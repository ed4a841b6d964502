"""The training framework's side of the parity probe: log-probabilities of held-out completions, of base and tuned weights.

Rows are those of the validation file, or else the last ones of the training file. Images are left out of them: adapters are on the
language model, which reads the words that are left just as well for a comparison, and so an engine needs nothing but tokens.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import islice
from typing import Any

import torch

from cluster.tuning.training import rows
from cluster.tuning.training.encoding import Encoded, Renderer, Tokenizer, encode_supervised
from cluster.tuning.training.loop.vision import as_parts
from cluster.tuning.training.parity import Scored, Scores, Trained
from cluster.tuning.training.rows import Message, SupervisedRow
from cluster.tuning.training.spec import Method, TrainSpec


def held_out(spec: TrainSpec, renderer: Renderer, tokenizer: Tokenizer, *, parts: bool) -> list[Encoded]:
    """At most ``spec.parity_rows`` rows as tokens, without images. ``parts``: the chat template takes lists of parts.

    Raises:
        InvalidRow: a row can't be scored.
        OSError: a file is missing.
    """
    file = spec.validation_file or spec.training_file
    # Places alone: a row with its images may have a hundred megabytes.
    places = ((number, offset) for number, offset, _ in rows.lines(file))
    chosen = list(islice(places, spec.parity_rows)) if spec.validation_file else list(deque(places, maxlen=spec.parity_rows))
    found = []
    for number, offset in chosen:
        row = _without_images(_row(number, rows.line_at(file, offset), spec.method))
        if parts:
            row = replace(row, prompt=[as_parts(message) for message in row.prompt], completion=as_parts(row.completion))
        encoded = encode_supervised(number, row, renderer, tokenizer)
        if encoded.prompt_tokens:
            found.append(shortened(encoded, spec.parity_row_tokens))
    return found


def shortened(row: Encoded, most_tokens: int) -> Encoded:
    """The end of the prompt and the beginning of the completion: of what is too long, the part that both have to do with."""
    prompt, completion = row.ids[: row.prompt_tokens], row.ids[row.prompt_tokens :]
    kept = prompt[-max(most_tokens - len(completion), most_tokens // 2) :]
    return Encoded(kept + completion[: most_tokens - len(kept)], len(kept))


def probe(tuned: Any, held_out: list[Encoded]) -> Trained:
    """Score rows with a PEFT model, and with its base."""
    tuned.eval()
    with tuned.disable_adapter():
        base = score(tuned, held_out)
    return Trained(base=base, tuned=score(tuned, held_out))


def scored(tuned: Any, held_out: list[Encoded]) -> Scores:
    """Score rows with a model as it is in memory."""
    tuned.eval()
    return score(tuned, held_out)


def score(scored: Any, held_out: list[Encoded]) -> Scores:
    """Log-probabilities of each row's completion, under teacher forcing, computed in float32."""
    found = []
    for row in held_out:
        ids = torch.tensor([row.ids], device=scored.device)
        with torch.no_grad():
            logits = scored(input_ids=ids).logits[0, row.prompt_tokens - 1 : -1].float()
        targets = ids[0, row.prompt_tokens :].to(logits.device)
        log_probabilities = logits.log_softmax(-1).gather(1, targets[:, None])[:, 0]
        found.append(Scored(ids=row.ids, prompt_tokens=row.prompt_tokens, log_probabilities=log_probabilities.tolist()))
    return Scores(rows=found)


def _row(number: int, text: str, method: Method) -> SupervisedRow:
    if method is Method.SUPERVISED:
        return rows.supervised(number, text)
    pair = rows.preference(number, text)
    return SupervisedRow(pair.prompt, pair.chosen, pair.tools)


def _without_images(row: SupervisedRow) -> SupervisedRow:
    return replace(row, prompt=[_words(message) for message in row.prompt], images=()) if row.images else row


def _words(message: Message) -> Message:
    content = message["content"]
    if isinstance(content, str):
        return message
    return {**message, "content": [part for part in content if part["type"] != "image"]}

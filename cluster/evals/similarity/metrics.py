"""The metrics of ``text_similarity``, each in [0, 1].

| Metric | What is computed |
|---|---|
| ``fuzzy_match`` | rapidfuzz ``fuzz.ratio`` / 100: 2 · longest common subsequence of characters / both lengths |
| ``bleu`` | sacreBLEU's sentence BLEU / 100: tokenizer 13a, exponential smoothing, effective order |
| ``gleu`` | NLTK's sentence GLEU (Wu et al. 2016): the lower of precision and recall of 1- to 4-grams |
| ``meteor`` | NLTK's METEOR with exact and stem matches (Porter), without WordNet's synonyms |
| ``cosine`` | cosine of the two vectors of word counts |
| ``rouge_1`` … ``rouge_5`` | F1 of n-gram overlap, with rouge-score's tokenizer, without stemming |
| ``rouge_l`` | F1 of the longest common subsequence of words, with the same tokenizer |

Equal texts score 1, with two exceptions. METEOR stays below (one word: 0.5), by its penalty. ROUGE-N of texts shorter than n words
is 0, and ROUGE knows only the words of a-z and 0-9: its own tokenizer drops all other letters.

Everything is lexical and works offline. METEOR's synonyms would need NLTK's WordNet download; two hosts, one with and one without
it, would give different scores, so no host uses it. No embedding model is asked for ``cosine``.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, Final, cast

MAX_CHARS: Final = 50_000
"""Of either text. Character alignment of two such texts takes about 40 ms and holds the interpreter's lock."""

_WORD = re.compile(r"\w+")
_WORD_OR_SIGN = re.compile(r"\w+|[^\w\s]")


class TextTooLong(Exception):
    """A text is longer than ``MAX_CHARS``."""


def similarity(metric: str, text: str, reference: str) -> float:
    """How alike ``text`` is to ``reference``, in [0, 1]. Two empty texts are equal; an empty and a non-empty one score 0.

    Blocking: to be called off the event loop. The first call imports the metric's library (NLTK's takes a second).

    Raises:
        TextTooLong: either text is longer than ``MAX_CHARS``.
        KeyError: there is no such metric.
    """
    measure = METRICS[metric]
    for name, content in (("input", text), ("reference", reference)):
        if len(content) > MAX_CHARS:
            raise TextTooLong(f"{name}: similarity is computed for up to {MAX_CHARS} characters, but there are {len(content)}")
    if not text.strip() or not reference.strip():
        return float(text.strip() == reference.strip())
    return min(1.0, max(0.0, measure(text, reference)))


def _fuzzy(text: str, reference: str) -> float:
    from rapidfuzz import fuzz

    return float(fuzz.ratio(text, reference)) / 100


def _bleu(text: str, reference: str) -> float:
    return float(_sacrebleu().sentence_score(text, [reference]).score) / 100


@cache
def _sacrebleu() -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize="13a", smooth_method="exp", effective_order=True)


def _gleu(text: str, reference: str) -> float:
    from nltk.translate.gleu_score import sentence_gleu

    return float(sentence_gleu([_words_and_signs(reference)], _words_and_signs(text)))


def _meteor(text: str, reference: str) -> float:
    from nltk.translate.meteor_score import single_meteor_score

    return float(single_meteor_score(_words_and_signs(reference), _words_and_signs(text), wordnet=cast(Any, _NoSynonyms())))


class _NoSynonyms:
    """Stands where METEOR expects WordNet."""

    def synsets(self, word: str) -> tuple[()]:
        return ()


def _cosine(text: str, reference: str) -> float:
    one, other = (Counter(_WORD.findall(content.casefold())) for content in (text, reference))
    norms = math.sqrt(sum(count * count for count in one.values()) * sum(count * count for count in other.values()))
    return sum(count * other[word] for word, count in one.items()) / norms if norms else 0.0


def _rouge_n(n: int, text: str, reference: str) -> float:
    one, other = (Counter(_ngrams(_rouge_tokens(content), n)) for content in (text, reference))
    return _f1((one & other).total(), one.total(), other.total())


def _rouge_l(text: str, reference: str) -> float:
    from rapidfuzz.distance import LCSseq

    # rouge-score computes the same length with a table in Python, minutes for the longest texts.
    one, other = _rouge_tokens(text), _rouge_tokens(reference)
    return _f1(int(LCSseq.similarity(one, other)), len(one), len(other))


def _rouge_tokens(text: str) -> Sequence[str]:
    from rouge_score.tokenizers import DefaultTokenizer

    return cast(Sequence[str], DefaultTokenizer(use_stemmer=False).tokenize(text))


def _ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1)]


def _f1(common: int, ours: int, theirs: int) -> float:
    """Harmonic mean of ``common / ours`` and ``common / theirs``."""
    return 2 * common / (ours + theirs) if common else 0.0


def _words_and_signs(text: str) -> list[str]:
    return _WORD_OR_SIGN.findall(text)


METRICS: Final[Mapping[str, Callable[[str, str], float]]] = {
    "fuzzy_match": _fuzzy,
    "bleu": _bleu,
    "gleu": _gleu,
    "meteor": _meteor,
    "cosine": _cosine,
    **{f"rouge_{n}": partial(_rouge_n, n) for n in range(1, 6)},
    "rouge_l": _rouge_l,
}

"""Known answers. Beside each stands how it comes about; what a library computes is held against the library, too."""

from __future__ import annotations

import math
import time
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from cluster.evals.definitions import Metric
from cluster.evals.similarity import MAX_CHARS, TextTooLong, similarity
from cluster.evals.similarity.metrics import METRICS

QUICK = "The quick brown fox jumps over the lazy dog"
SLOW = "The quick brown dog jumps on the log."

KNOWN = [
    # rapidfuzz's own README: 96.55… for these two, 2 · 14 common characters of 14 and 15.
    ("fuzzy_match", "this is a test", "this is a test!", 2 * 14 / 29),
    ("fuzzy_match", "abc", "xyz", 0.0),
    ("fuzzy_match", "abcd", "abxd", 6 / 8),
    # 5 of 6 unigrams, 3 of 5 bigrams, 1 of 4 trigrams, no 4-gram of 3 (smoothed: 1/(2·3)); same length, no penalty.
    ("bleu", "the cat sat on the mat", "the cat is on the mat", math.exp(sum(map(math.log, (5 / 6, 3 / 5, 1 / 4, 1 / 6))) / 4)),
    # All n-grams fit, but 4 words of 6: brevity penalty e^(1 - 6/4).
    ("bleu", "the cat sat on", "the cat sat on the mat", math.exp(1 - 6 / 4)),
    # 1- to 4-grams: 5 + 3 + 1 + 0 in common of 6 + 5 + 4 + 3 on either side.
    ("gleu", "the cat sat on the mat", "the cat is on the mat", 9 / 18),
    # 4 + 3 + 2 + 1 in common of 10 and 18: the lower of 10/10 and 10/18.
    ("gleu", "the cat sat on", "the cat sat on the mat", 10 / 18),
    # 6 matches in one chunk: 1 - 0.5 · (1/6)^3.
    ("meteor", "the cat sat on the mat", "the cat sat on the mat", 1 - 0.5 / 216),
    # P 5/6, R 5/6, so F 5/6; the matches lie in 2 chunks of 5: penalty 0.5 · (2/5)^3.
    ("meteor", "the cat sat on the mat", "the cat is on the mat", 5 / 6 * (1 - 0.5 * (2 / 5) ** 3)),
    # A stem match (cat, cats): F 1, one chunk of 2.
    ("meteor", "two cats", "two cat", 1 - 0.5 / 8),
    # Synonyms don't match: no WordNet.
    ("meteor", "automobile", "car", 0.0),
    # (2,1) · (1,1) over √5 · √2.
    ("cosine", "a a b", "a b", 3 / math.sqrt(10)),
    ("cosine", "Hello, WORLD!", "hello world", 1.0),
    # rouge-score's README: P 0.75, R 0.6666… for these two (6 of 8 words, 6 of 9).
    ("rouge_1", SLOW, QUICK, 2 * 6 / (8 + 9)),
    ("rouge_2", "the cat sat on the mat", "the cat is on the mat", 3 / 5),
    ("rouge_3", "the cat sat on the mat", "the cat is on the mat", 1 / 4),
    ("rouge_4", "a b c d e", "a b c d f", 1 / 2),
    ("rouge_5", "a b c d e f", "a b c d e g", 1 / 2),
    ("rouge_5", "a b c d", "a b c d", 0.0),
    # Common subsequence: the quick brown jumps the.
    ("rouge_l", SLOW, QUICK, 2 * 5 / (8 + 9)),
]


@pytest.mark.parametrize(("metric", "text", "reference", "expected"), KNOWN)
def test_known_answers(metric: str, text: str, reference: str, expected: float) -> None:
    assert similarity(metric, text, reference) == pytest.approx(expected, abs=1e-9)


def test_every_metric_of_the_contract_is_there_and_has_a_known_answer() -> None:
    assert set(METRICS) == set(get_args(Metric)) == {metric for metric, *_ in KNOWN}


@pytest.mark.parametrize("metric", METRICS)
def test_nothing_in_common_is_zero_and_empty_texts_are_equal(metric: str) -> None:
    assert similarity(metric, "alpha beta", "gamma delta") < (0.6 if metric == "fuzzy_match" else 0.2)
    assert similarity(metric, "", "") == 1.0
    assert similarity(metric, " \n", "") == 1.0
    assert similarity(metric, "", "word") == 0.0
    assert similarity(metric, "word", "") == 0.0


@pytest.mark.parametrize("metric", METRICS)
def test_texts_are_bounded(metric: str) -> None:
    with pytest.raises(TextTooLong, match="reference"):
        similarity(metric, "a", "a" * (MAX_CHARS + 1))


WORDS = st.lists(st.sampled_from(["the", "cat", "cats", "sat", "on", "mat", "a1", "ünï"]), min_size=1, max_size=12).map(" ".join)


@settings(max_examples=40)
@given(WORDS, WORDS)
def test_rouge_agrees_with_rouge_score(text: str, reference: str) -> None:
    scorer = RougeScorer(["rouge1", "rouge2", "rouge5", "rougeL"], use_stemmer=False)
    scores = scorer.score(reference, text)
    for ours, theirs in (("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_5", "rouge5"), ("rouge_l", "rougeL")):
        assert similarity(ours, text, reference) == pytest.approx(scores[theirs].fmeasure)


@settings(max_examples=60)
@given(st.text(max_size=60), st.text(max_size=60))
def test_every_metric_of_any_texts_is_within_zero_and_one(text: str, reference: str) -> None:
    for metric in METRICS:
        assert 0.0 <= similarity(metric, text, reference) <= 1.0


def test_the_longest_texts_take_less_than_seconds() -> None:
    words = " ".join(f"w{index % 977}" for index in range(9000))[:MAX_CHARS]
    other = " ".join(f"w{index * 7 % 977}" for index in range(9000))[:MAX_CHARS]
    for metric in METRICS:
        similarity(metric, "one", "two")  # loads its library
        started = time.process_time()
        similarity(metric, words, other)
        assert time.process_time() - started < 5.0, metric

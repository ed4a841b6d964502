"""Word error rate: how many words a transcript has wrong, missing or too many, for each word that was said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Errors:
    """``words`` that were said, ``wrong`` ones of the transcript (Levenshtein distance by words)."""

    words: int = 0
    wrong: int = 0

    def __add__(self, other: Errors) -> Errors:
        return Errors(self.words + other.words, self.wrong + other.wrong)

    @property
    def rate(self) -> float:
        return self.wrong / self.words if self.words else 0.0


def compare(said: str, heard: str) -> Errors:
    """Both in plain words, without punctuation."""
    reference, hypothesis = said.split(), heard.split()
    row = list(range(len(hypothesis) + 1))
    for count, word in enumerate(reference, 1):
        diagonal, row[0] = row[0], count
        for at, other in enumerate(hypothesis, 1):
            diagonal, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, diagonal + (word != other))
    return Errors(len(reference), row[-1])

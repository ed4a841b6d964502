"""How finished a piece of speech sounds, by its last word: what ``semantic_vad`` waits by.

Recognizers write no punctuation, so that the words alone have to tell. Words after which English goes on are few and frequent.
"""

from __future__ import annotations

from typing import Final

# fmt: off
_GOES_ON: Final = frozenset(
    {
        "a", "an", "the", "my", "your", "his", "her", "its", "our", "their", "this", "these", "some", "any", "no", "every",
        "and", "or", "but", "so", "because", "if", "when", "while", "although", "though", "unless", "until", "since",
        "that", "which", "who", "whose", "than", "as", "of", "to", "in", "on", "at", "by", "for", "with", "from", "into",
        "about", "between", "under", "over", "after", "before", "without", "is", "are", "was", "were", "am", "be", "been",
        "will", "would", "can", "could", "should", "shall", "may", "might", "must", "do", "does", "did", "have", "has",
        "had", "i", "we", "they", "he", "she", "you", "uh", "um", "er", "hmm", "like", "well", "very", "really", "quite",
        "not", "let's",
    }
)
# fmt: on
UNFINISHED: Final = 0.1
FINISHED: Final = 0.9
UNKNOWN: Final = 0.5


def finished(text: str) -> float:
    """In [0, 1]. Of nothing it says :data:`UNKNOWN`."""
    words = text.strip().lower().split()
    if not words:
        return UNKNOWN
    last = words[-1]
    if last[-1] in ".!?":
        return FINISHED
    if last[-1] in ",;:-…" or last.strip("\"'()") in _GOES_ON:
        return UNFINISHED
    return FINISHED

"""How finished an utterance sounds, by its last words: what ``semantic_vad`` waits by when there is no better judge.

English, and a rule, not a model: it tells "I would like to order and" from "I would like to order strawberries", and nothing finer.
"""

from __future__ import annotations

from typing import Final


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


#: Words that nobody ends a turn with on purpose: articles, conjunctions, possessives, most prepositions and auxiliaries.
_OPEN_ENDS: Final = _words(
    "a an the and or but so because although if unless until while whereas than that which who whose my your his her its our",
    "their this these every some of to from with without for at by into onto about between during like as is are was were am",
    "be been have has had will would can could shall should may might must do does did i we they he she let's very really quite",
)
#: Sounds that hold the floor.
_HESITATIONS: Final = frozenset({"um", "uh", "uhm", "er", "erm", "hmm", "well"})
#: Short answers that are whole turns though their last word is an open one in a sentence.
_WHOLE: Final = frozenset(
    {"i do", "we do", "they do", "i am", "i was", "i can", "i will", "please", "yes please", "that is", "i have"}
)
_SHORT: Final = 3
#: Questions that have only begun.
_BEGINNINGS: Final = (["could", "you"], ["can", "you"], ["would", "you"], ["do", "you"])

FINISHED: Final = 1.0
UNSURE: Final = 0.5
UNFINISHED: Final = 0.0


def finished(text: str) -> float:
    """0 (the speaker will go on) to 1. Nothing recognized is as good as unknown."""
    words = text.lower().replace(",", " ").split()
    if not words:
        return UNSURE
    last = words[-1].strip(".!?…\"'")
    if last in _HESITATIONS:
        return UNFINISHED
    if text.rstrip().endswith(("...", "…", ",", "-")):
        return UNFINISHED
    if len(words) <= _SHORT and " ".join(word.strip(".!?") for word in words[-2:]) in _WHOLE:
        return FINISHED
    if words[-2:] in _BEGINNINGS:
        return UNFINISHED
    return UNFINISHED if last in _OPEN_ENDS else FINISHED

"""``text_similarity``: how alike two texts are, in [0, 1]; at least ``pass_threshold`` passes."""

from __future__ import annotations

import asyncio

from cluster.evals.case import Case
from cluster.evals.definitions import TextSimilarity
from cluster.evals.grade import Fault, GradingFailed
from cluster.evals.graders.verdict import DEFAULT_THRESHOLD, Verdict
from cluster.evals.similarity import TextTooLong, similarity


async def grade(definition: TextSimilarity, case: Case) -> Verdict:
    text = case.fill_in(definition.input, "input")
    reference = case.fill_in(definition.reference, "reference")
    try:
        # Off the event loop: the longest texts take tens of milliseconds, and the first use loads the libraries.
        score = await asyncio.to_thread(similarity, definition.evaluation_metric, text, reference)
    except TextTooLong as error:
        raise GradingFailed(Fault.TRUNCATED, str(error)) from None
    threshold = definition.pass_threshold if definition.pass_threshold is not None else DEFAULT_THRESHOLD
    return Verdict(score, score >= threshold)

"""Measures of how alike two texts are, by the contract's names."""

from cluster.evals.similarity.metrics import MAX_CHARS, TextTooLong, similarity

__all__ = ["MAX_CHARS", "TextTooLong", "similarity"]

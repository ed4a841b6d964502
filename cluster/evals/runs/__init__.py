"""Runs of evals: where items come from, how one is sampled and graded, what a run amounts to."""

"""Evals: grader definitions, templates, graders and the statistics of their results. No storage, no network of its own."""

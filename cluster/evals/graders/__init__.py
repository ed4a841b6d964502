"""One module a kind of grader; ``cluster.evals.grading`` chooses among them."""

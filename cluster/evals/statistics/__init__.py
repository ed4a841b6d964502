"""What the grades of a run amount to, and whether two runs differ."""

from cluster.evals.statistics.comparison import Comparison, compare_rates, compare_scores
from cluster.evals.statistics.intervals import Interval, mean_interval, wilson
from cluster.evals.statistics.summary import CriterionSummary, RunSummary, summarize

__all__ = [
    "Comparison",
    "CriterionSummary",
    "Interval",
    "RunSummary",
    "compare_rates",
    "compare_scores",
    "mean_interval",
    "summarize",
    "wilson",
]

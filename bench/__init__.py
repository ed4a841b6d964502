"""Measurements: what the cluster costs beside its peers, what routing gains on real engines, and single parts under a stopwatch."""

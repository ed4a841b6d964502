"""Dashboards, recording rules and alerts as typed code; ``scripts/monitoring.py`` writes the files that are deployed.

``boards`` and ``rules`` say what is shown and what wakes somebody, ``series`` which series exist, ``promql`` reads expressions,
``complaints`` compares the two. ``grafana``, ``prometheus`` and ``picture`` write files.
"""

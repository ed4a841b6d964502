"""Phases of a cold start."""

from __future__ import annotations

import logging

import pytest

from cluster.engine.cold_start import ColdStart, Phase, PhaseReport


def test_each_phase_is_reported_and_logged_as_soon_as_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    now_s = 0.0
    reports: list[PhaseReport] = []
    cold_start = ColdStart("m", reports.append, clock=lambda: now_s)
    with caplog.at_level(logging.INFO):
        with cold_start.phase(Phase.IMPORT):
            now_s = 2.0
        assert reports == [PhaseReport(Phase.IMPORT, 2.0, 2.0)]
        now_s = 5.0
        cold_start.report(Phase.LOAD_WEIGHTS, 1.5)
    assert reports[1:] == [PhaseReport(Phase.LOAD_WEIGHTS, 1.5, 5.0)]
    assert cold_start.reports == tuple(reports)
    assert "cold start of m: import took 2.0 s" in caplog.text


def test_a_phase_that_fails_is_not_reported() -> None:
    reports: list[PhaseReport] = []
    cold_start = ColdStart("m", reports.append)
    with pytest.raises(RuntimeError, match="no"), cold_start.phase(Phase.WARM_UP):
        raise RuntimeError("no")
    assert reports == []

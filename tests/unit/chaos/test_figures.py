"""How the figures of a fault are counted, and how they become rows of the table."""

from __future__ import annotations

import json
from dataclasses import asdict

from tests.chaos.figures import Figures, count
from tests.chaos.load import Attempt, End, Request
from tests.chaos.report import HEAD, table

FAULT_S = 100.0


def attempt(began_s: float, ended_s: float, end: End = End.COMPLETE, reason: str = "") -> Attempt:
    first_byte_s = None if end is End.REFUSED else (began_s + ended_s) / 2
    return Attempt(began_s, first_byte_s, ended_s, end, reason)


def counted(*requests: Request) -> Figures:
    figures = Figures("case", "a fault", "an alert")
    count(figures, list(requests), FAULT_S)
    return figures


def test_what_ended_before_the_fault_does_not_count() -> None:
    figures = counted(Request("short", [attempt(98, 99)]), Request("short", [attempt(99, 101)]))
    assert (figures.requests, figures.complete, figures.outage_s) == (1, 1, 0.0)


def test_a_request_answered_at_its_second_attempt_is_retried_and_not_lost() -> None:
    again = Request("short", [attempt(101, 102, End.REFUSED, "503"), attempt(103, 104)])
    figures = counted(again, Request("short", [attempt(105, 106)]))
    assert (figures.refused, figures.retried, figures.lost) == (1, 1, 0)
    assert figures.reasons == {"503": 1}


def test_a_request_refused_at_each_attempt_is_lost() -> None:
    never = Request("short", [attempt(101, 102, End.REFUSED, "503"), attempt(103, 104, End.REFUSED, "503")])
    figures = counted(never, Request("short", [attempt(105, 106)]))
    assert (figures.refused, figures.retried, figures.lost) == (1, 0, 1)


def test_the_outage_lasts_until_the_first_request_behind_the_last_refusal() -> None:
    refused = [Request("short", [attempt(began, began + 1, End.REFUSED)]) for began in (101, 107)]
    answered = [Request("short", [attempt(began, began + 1)]) for began in (103, 109, 110)]
    assert counted(*refused, *answered).outage_s == 9.0


def test_answers_cut_with_and_without_a_word_are_told_apart() -> None:
    said = Request("stream", [attempt(99, 101, End.CUT_SAID, "engine_failed")])
    silent = Request("stream", [attempt(99, 101, End.CUT_SILENT, "ClientPayloadError")])
    figures = counted(said, silent)
    assert (figures.cut_said, figures.cut_silent, figures.lost) == (1, 1, 0)


def test_a_row_is_the_median_of_its_runs() -> None:
    runs = [Figures("case", "a fault", "an alert", outage_s=outage_s, whole_s=1.0) for outage_s in (1.0, 2.0, 9.0)]
    made = table([json.dumps(asdict(run)) for run in runs], HEAD)
    (row,) = made.removeprefix(HEAD).splitlines()
    assert "| 2.0 s |" in row
    assert row.endswith("| 3 |")


def test_rows_of_faults_that_were_not_measured_again_stay() -> None:
    former = HEAD + "| another fault | 1 | old |\n| a fault | 1 | old |\n"
    rows = table([json.dumps(asdict(Figures("case", "a fault", "an alert")))], former).removeprefix(HEAD).splitlines()
    assert rows[0] == "| another fault | 1 | old |"
    assert len(rows) == 2
    assert "old" not in rows[1]

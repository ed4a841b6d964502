from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from cluster import errors
from cluster.telemetry import labels
from cluster.telemetry.labels import ORGANIZATIONS_FILE, OrganizationLabels


def test_first_organizations_have_their_own_label_and_later_ones_share_one() -> None:
    organizations = OrganizationLabels(2)
    assert [organizations.label(o) for o in ("a", "b", "c", "a", "d", "b")] == ["a", "b", "other", "a", "other", "b"]


def test_bound_holds_over_all_processes_of_the_node(tmp_path: Path) -> None:
    one, two = OrganizationLabels(3, tmp_path), OrganizationLabels(3, tmp_path)
    assert [one.label("a"), two.label("b"), one.label("c")] == ["a", "b", "c"]
    assert two.label("d") == "other"
    assert one.label("b") == "b"
    assert two.label("c") == "c"
    assert one.label("d") == "other"


def test_process_that_starts_again_gives_the_same_labels(tmp_path: Path) -> None:
    before = OrganizationLabels(2, tmp_path)
    assert [before.label(o) for o in ("a", "b", "c")] == ["a", "b", "other"]
    after = OrganizationLabels(2, tmp_path)
    assert [after.label(o) for o in ("c", "b", "a")] == ["other", "b", "a"]


def _label_all(directory: str, offset: int, results: multiprocessing.Queue[set[str]]) -> None:
    organizations = OrganizationLabels(20, Path(directory))
    results.put({organizations.label(f"org-{(number + offset) % 60}") for number in range(60)})


def test_processes_that_race_agree_on_the_chosen_ones(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[set[str]] = context.Queue()
    processes = [context.Process(target=_label_all, args=(str(tmp_path), 15 * n, results)) for n in range(4)]
    for process in processes:
        process.start()
    used = set().union(*(results.get(timeout=60) for _ in processes))
    for process in processes:
        process.join()
    assert len(used - {"other"}) == 20
    assert {OrganizationLabels(20, tmp_path).label(org) for org in used - {"other"}} == used - {"other"}


def test_full_file_is_not_opened_again(tmp_path: Path) -> None:
    organizations = OrganizationLabels(1, tmp_path)
    organizations.label("a")
    (tmp_path / ORGANIZATIONS_FILE).unlink()
    assert organizations.label("b") == "other"
    assert not (tmp_path / ORGANIZATIONS_FILE).exists()


@pytest.mark.parametrize("org", ["", "a\nb", "a\x00"])
def test_strings_that_are_no_id_become_other(tmp_path: Path, org: str) -> None:
    assert OrganizationLabels(5, tmp_path).label(org) == "other"
    assert not (tmp_path / ORGANIZATIONS_FILE).exists()


def test_line_that_a_dying_process_left_unfinished_spoils_no_other(tmp_path: Path) -> None:
    (tmp_path / ORGANIZATIONS_FILE).write_bytes(b"\na\n\nhal")
    organizations = OrganizationLabels(5, tmp_path)
    assert organizations.label("b") == "b"
    assert OrganizationLabels(5, tmp_path).label("b") == "b"


def test_every_error_class_has_a_code() -> None:
    codes = labels.error_codes()
    assert {"context_length_exceeded", "invalid_request", "not_found", "model_not_found", "conflict", "internal_error"} <= codes
    assert {"rate_limit_exceeded", "overloaded", "engine_failed", "deadline_exceeded"} <= codes


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ContextLengthExceeded("x"), "context_length_exceeded"),
        (errors.InvalidRequest("x"), "invalid_request"),
        (errors.InvalidRequest("x", code="made_up_by_" + "a" * 50), "invalid_request"),
        (errors.Overloaded("x", code="made up"), "overloaded"),
        (errors.OssatureError("x"), "internal_error"),
        (KeyError("x"), "internal_error"),
    ],
)
def test_code_of_an_error_is_always_a_known_one(error: BaseException, code: str) -> None:
    assert labels.code_of(error) == code
    assert code in labels.error_codes()

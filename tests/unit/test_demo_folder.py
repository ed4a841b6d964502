"""Generated model folders: made whole or not at all, and only when something changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from models import folder


def _fill_with(text: str):
    def fill(target: Path) -> None:
        (target / "config.json").write_text(text)

    return fill


def test_folder_is_made_once_per_stamp(tmp_path: Path) -> None:
    out = tmp_path / "model"
    assert folder.make(out, {"weights": "a"}, _fill_with("first"))
    assert not folder.make(out, {"weights": "a"}, _fill_with("second"))
    assert (out / "config.json").read_text() == "first"


def test_folder_is_made_again_for_another_stamp(tmp_path: Path) -> None:
    out = tmp_path / "model"
    folder.make(out, {"weights": "a"}, _fill_with("first"))
    assert folder.make(out, {"weights": "b"}, _fill_with("second"))
    assert (out / "config.json").read_text() == "second"


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_damaged_folder_is_made_again(tmp_path: Path, damage: str) -> None:
    out = tmp_path / "model"
    folder.make(out, {"weights": "a"}, _fill_with("content"))
    if damage == "missing":
        (out / "config.json").unlink()
    else:
        (out / "config.json").write_text("con")
    assert folder.make(out, {"weights": "a"}, _fill_with("content"))
    assert (out / "config.json").read_text() == "content"


def test_failure_leaves_the_old_folder_and_nothing_beside_it(tmp_path: Path) -> None:
    out = tmp_path / "model"
    folder.make(out, {"weights": "a"}, _fill_with("good"))

    def fail(target: Path) -> None:
        (target / "config.json").write_text("half")
        raise ValueError("no space")

    with pytest.raises(ValueError, match="no space"):
        folder.make(out, {"weights": "b"}, fail)
    assert (out / "config.json").read_text() == "good"
    assert folder.is_current(out, {"weights": "a"})
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["model"]


def test_reader_of_the_replaced_folder_keeps_its_file(tmp_path: Path) -> None:
    out = tmp_path / "model"
    folder.make(out, {"weights": "a"}, _fill_with("old"))
    with (out / "config.json").open() as held:
        folder.make(out, {"weights": "b"}, _fill_with("new"))
        assert held.read() == "old"

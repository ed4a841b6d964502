"""A file from one end to the other: rows in place, or every problem of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.config.settings.images import ImageSettings
from cluster.config.settings.tuning import TuningSettings
from cluster.images.fetch import ImageFetcher
from cluster.tuning.rows.lines import Line, lines
from cluster.tuning.rows.parse import Method
from cluster.tuning.rows.prepare import Preparation, Prepared
from tests.unit.fine_tuning.samples import chat, data_url, picture, with_images, with_tools

PNG = data_url(picture())


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def split(data: bytes, size: int, limit: int = 100) -> list[Line]:
    return [line async for batch in lines(pieces(data, size), limit) for line in batch]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
async def test_lines_whatever_the_pieces(size: int) -> None:
    found = await split(b"one\n\r\ntwo\r\nlast", size)
    assert [(line.number, (line.data or b"").strip()) for line in found] == [(1, b"one"), (2, b""), (3, b"two"), (4, b"last")]


@pytest.mark.parametrize("size", [1, 100])
async def test_blank_lines_at_the_end_are_no_lines(size: int) -> None:
    assert [line.number for line in await split(b"one\n\n \n\r\n", size)] == [1]


async def test_very_many_blank_lines_are_not_kept_in_memory() -> None:
    found = await split(b"one\n" + b"\n" * 5000, 500)
    assert 1000 < len(found) <= 5001
    assert all(line.blank for line in found[1:])


@pytest.mark.parametrize("size", [1, 5, 100])
async def test_a_line_that_is_too_long_is_not_kept(size: int) -> None:
    found = await split(b"x" * 50 + b"\nshort\n" + b"y" * 11, size, limit=10)
    assert [(line.number, line.data) for line in found] == [(1, None), (2, b"short"), (3, None)]


async def prepared(target: Path, data: bytes, settings: TuningSettings | None = None, *, takes_images: bool = True) -> Prepared:
    settings = settings if settings is not None else TuningSettings()
    fetcher = ImageFetcher(settings.images)
    try:
        preparation = Preparation(Method.SUPERVISED, takes_images, False, settings, fetcher)
        return await preparation.prepare(pieces(data, 1000), target)
    finally:
        await fetcher.close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def encoded(*examples: object) -> bytes:
    return b"\n".join(json.dumps(each).encode() for each in examples)


async def test_rows_are_written_in_order_and_counted(tmp_path: Path) -> None:
    target = tmp_path / "new" / "rows.jsonl"
    found = await prepared(target, encoded(*[chat(), with_tools(), with_images(PNG, PNG)] * 50))
    rows = [json.loads(line) for line in target.read_bytes().splitlines()]
    assert not found.problems
    assert (found.counts.examples, found.counts.rows, found.counts.images, found.counts.image_examples) == (150, 200, 100, 50)
    assert len(rows) == 200
    assert [len(row["images"]) for row in rows[:4]] == [0, 0, 0, 2]
    text = len(target.read_bytes()) - 100 * len(rows[3]["images"][0]["data"])
    assert found.counts.characters == text - 200  # line breaks apart
    assert names(target.parent) == ["rows.jsonl"]


async def test_a_bad_row_leaves_no_rows_and_hides_no_other(tmp_path: Path) -> None:
    bad_image = with_images(PNG, "data:image/png;base64,AAAA", "ftp://example.com/a.png")
    data = encoded(chat(), bad_image, chat(), {"messages": []}, with_images("data:image/gif;base64,AAAA"))
    found = await prepared(tmp_path / "rows.jsonl", data)
    assert [(problem.line, problem.param, problem.code) for problem in found.problems.shown] == [
        (2, "messages.0.content.2.image_url.url", "invalid_image_format"),
        (2, "messages.0.content.3.image_url.url", "invalid_image_url"),
        (4, "messages", "empty_array"),
        (5, "messages.0.content.1.image_url.url", "invalid_image_format"),
    ]
    assert found.problems.bad_rows == 3
    assert names(tmp_path) == []


async def test_more_problems_than_are_named_are_counted(tmp_path: Path) -> None:
    settings = TuningSettings(max_reported_problems=3)
    found = await prepared(tmp_path / "rows.jsonl", b"[]\n" * 200, settings)
    assert [problem.line for problem in found.problems.shown] == [1, 2, 3]
    assert (found.problems.bad_rows, found.problems.unshown, found.counts.examples) == (200, 197, 200)


async def test_no_image_is_fetched_once_enough_problems_are_known(tmp_path: Path) -> None:
    settings = TuningSettings(max_reported_problems=1)
    asked = 0

    class Counting(ImageFetcher):
        async def fetch(self, url: str) -> bytes:
            nonlocal asked
            asked += 1
            return await super().fetch(url)

    preparation = Preparation(Method.SUPERVISED, True, False, settings, Counting(settings.images))
    data = encoded({"messages": []}, *[with_images("https://192.0.2.1/a.png")] * 20)
    found = await preparation.prepare(pieces(data, 100_000), tmp_path / "rows.jsonl")
    assert asked == 0
    assert found.problems.bad_rows == 1


async def test_rows_that_would_take_too_much_of_the_disk(tmp_path: Path) -> None:
    settings = TuningSettings(max_rows_bytes=1 << 20)
    big = chat()
    big["messages"][0]["content"] = "x" * 100_000
    found = await prepared(tmp_path / "rows.jsonl", encoded(*[big] * 30), settings)
    assert found.too_large
    assert names(tmp_path) == []


async def test_a_line_of_ten_large_images(tmp_path: Path) -> None:
    """As much as the contract allows must fit: ten images of up to the limit, in base64."""
    settings = TuningSettings(images=ImageSettings(max_image_bytes=300_000))
    image = data_url(picture("PNG", size=(300, 300)) + b"\0" * 250_000)
    found = await prepared(tmp_path / "rows.jsonl", encoded(with_images(*[image] * 10)), settings)
    assert not found.problems, found.problems.shown
    assert found.counts.images == 10
    default = TuningSettings()
    assert default.max_row_bytes > 10 * default.images.max_image_bytes * 4 / 3


async def test_rows_of_an_earlier_try_are_replaced(tmp_path: Path) -> None:
    target = tmp_path / "rows.jsonl"
    (tmp_path / ".rows.jsonl.part").write_bytes(b"half")
    target.write_bytes(b"old")
    await prepared(target, encoded(chat()))
    assert len(target.read_bytes().splitlines()) == 1
    assert names(tmp_path) == ["rows.jsonl"]


async def test_a_file_of_too_many_lines_is_not_read_to_its_end(tmp_path: Path) -> None:
    found = await prepared(tmp_path / "rows.jsonl", b"{}\n" * 100_000, TuningSettings(max_examples=100))
    assert 100 < found.counts.examples < 1000


async def test_a_file_of_nothing(tmp_path: Path) -> None:
    found = await prepared(tmp_path / "rows.jsonl", b"")
    assert (found.counts.examples, bool(found.problems)) == (0, False)

"""Files as OpenAI's own client sees them, over a real socket, a real database and a real folder."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from sqlalchemy import text

from cluster.config.settings.edges import HttpSettings
from cluster.config.settings.storage import FilesSettings
from tests.openai_schema import SchemaOracle
from tests.unit.storage.served import ACME, Served

ROOT = "/v1/files"
FILE_PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


async def upload(client: AsyncOpenAI, content: bytes = b"{}\n", name: str = "a.jsonl", **fields: Any) -> Any:
    return await client.files.create(**{"file": (name, content), "purpose": "fine-tune", **fields})


async def until(condition: Callable[[], bool]) -> None:
    """Fails when it does not come true within seconds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - a folder tells nobody
            await asyncio.sleep(0.02)


def objects(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder / "files").as_posix() for path in (folder / "files").rglob("*") if path.is_file())


async def test_a_file_comes_back_as_it_was_sent(served: Served, client: AsyncOpenAI) -> None:
    content = os.urandom(3 << 20)
    made = await upload(client, content, "Träining data.jsonl")
    assert (made.bytes, made.filename, made.purpose, made.status) == (len(content), "Träining data.jsonl", "fine-tune", "processed")
    assert made.sha256 == hashlib.sha256(content).hexdigest()
    assert (await client.files.retrieve(made.id)).to_dict() == made.to_dict()
    assert (await client.files.content(made.id)).content == content
    assert objects(served.folder) == [f"{ACME.org_id}/{made.id}"]
    assert served.counted("ossature_file_bytes_total", direction="received") == len(content)
    assert served.counted("ossature_file_bytes_total", direction="sent") == len(content)


async def test_bodies_are_of_the_api_description(served: Served, oracle: SchemaOracle) -> None:
    async with served.http_client() as http:
        assert oracle.problems("ListFilesResponse", (await http.get(ROOT)).json()) == []
        form = {"purpose": "user_data", "expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
        made = (await http.post(ROOT, data=form, files={"file": ("a.txt", b"x")})).json()
        assert oracle.problems("OpenAIFile", made) == []
        assert made["expires_at"] == made["created_at"] + 3600
        assert oracle.problems("ListFilesResponse", (await http.get(ROOT)).json()) == []
        assert oracle.problems("OpenAIFile", (await http.get(f"{ROOT}/{made['id']}")).json()) == []
        assert oracle.problems("DeleteFileResponse", (await http.delete(f"{ROOT}/{made['id']}")).json()) == []


async def test_lists_page_and_filter_by_purpose(client: AsyncOpenAI) -> None:
    made = [(await upload(client, purpose=purpose)).id for purpose in ("fine-tune", "vision", "fine-tune", "user_data")]
    assert [file.id for file in (await client.files.list()).data] == made[::-1]
    assert [file.id for file in (await client.files.list(purpose="fine-tune", order="asc")).data] == [made[0], made[2]]
    assert [file.id async for file in client.files.list(limit=3, order="asc")] == made
    page = await client.files.list(limit=2, after=made[3])
    assert ([file.id for file in page.data], page.has_more) == ([made[2], made[1]], True)


async def test_evals_files_are_taken_though_the_clients_types_lack_them(served: Served) -> None:
    async with served.client(strict=False) as client:
        assert (await upload(client, purpose="evals")).purpose == "evals"


async def test_a_deleted_file_is_gone_with_its_content(served: Served, client: AsyncOpenAI) -> None:
    made = await upload(client)
    assert (await client.files.delete(made.id)).deleted
    assert objects(served.folder) == []
    for call in (client.files.retrieve, client.files.delete, client.files.content):
        with pytest.raises(openai.NotFoundError) as refused:
            await call(made.id)
        assert (refused.value.code, refused.value.param) == ("file_not_found", "file_id")


@pytest.mark.parametrize("key", ["sk-globex", "sk-acme-other"])
async def test_nobody_else_sees_reads_or_deletes_a_file(served: Served, client: AsyncOpenAI, key: str) -> None:
    made = await upload(client, b"secret")
    async with served.client(key) as stranger:
        assert (await stranger.files.list()).data == []
        for call in (stranger.files.retrieve, stranger.files.delete, stranger.files.content):
            with pytest.raises(openai.NotFoundError):
                await call(made.id)
        with pytest.raises(openai.BadRequestError):
            await stranger.files.list(after=made.id)
    async with served.http_client(key) as http:
        for path in (f"../{ACME.org_id}/{made.id}", f"..%2f{ACME.org_id}%2f{made.id}", f"{ACME.org_id}%2f{made.id}"):
            assert (await http.get(f"{ROOT}/{path}/content")).status_code == 404
    assert (await client.files.content(made.id)).content == b"secret"


@pytest.mark.parametrize("name", ["../../evil.jsonl", "/etc/passwd", "..\\..\\a\r\nX: y.jsonl", "..", "", "x" * 5000])
async def test_a_filename_leads_nowhere(served: Served, name: str) -> None:
    async with served.http_client() as http:
        quoted = name.replace("\\", "\\\\").replace("\r\n", "%0D%0A")
        body = (
            b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\nx\r\n--b--\r\n' % quoted.encode()
        )
        made = await http.post(ROOT, content=body, headers={"content-type": "multipart/form-data; boundary=b"})
        if made.status_code == 400:
            assert made.json()["error"]["code"] == "invalid_form"
            assert objects(served.folder) == []
            return
        assert "/" not in made.json()["filename"]
        assert 0 < len(made.json()["filename"]) <= 255
        assert objects(served.folder) == [f"{ACME.org_id}/{made.json()['id']}"]
        content = await http.get(f"{ROOT}/{made.json()['id']}/content")
        assert (content.content, content.headers["x-content-type-options"]) == (b"x", "nosniff")


@pytest.mark.parametrize(
    ("wanted", "status", "content", "content_range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=8-100", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
        ("bytes=5-2", 200, b"0123456789", None),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
async def test_a_part_can_be_read(
    served: Served, client: AsyncOpenAI, wanted: str, status: int, content: bytes | None, content_range: str | None
) -> None:
    made = await upload(client, b"0123456789")
    async with served.http_client() as http:
        part = await http.get(f"{ROOT}/{made.id}/content", headers={"range": wanted})
    assert (part.status_code, part.headers.get("content-range")) == (status, content_range)
    assert content is None or part.content == content


async def test_an_empty_file_is_a_file(client: AsyncOpenAI) -> None:
    made = await upload(client, b"")
    assert (made.bytes, (await client.files.content(made.id)).content) == (0, b"")


@pytest.mark.parametrize(
    ("fields", "file", "param", "code"),
    [
        ({}, True, "purpose", "missing_required_parameter"),
        ({"purpose": "fun"}, True, "purpose", "invalid_value"),
        ({"purpose": "batch"}, True, "purpose", "unsupported_value"),
        ({"purpose": "assistants"}, True, "purpose", "unsupported_value"),
        ({"purpose": "vision"}, False, "file", "missing_required_parameter"),
        ({"purpose": "vision", "x": "y"}, True, "x", "unrecognized_request_argument"),
        ({"purpose": "v" * 2000}, True, "purpose", "invalid_value"),
        ({"purpose": "vision", "expires_after[seconds]": "4000"}, True, "expires_after.anchor", "missing_required_parameter"),
        ({"purpose": "vision", "expires_after[anchor]": "created_at"}, True, "expires_after.seconds", "missing_required_parameter"),
        (
            {"purpose": "vision", "expires_after[anchor]": "now", "expires_after[seconds]": "4000"},
            True,
            "expires_after.anchor",
            "invalid_value",
        ),
        (
            {"purpose": "vision", "expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"},
            True,
            "expires_after.seconds",
            "integer_below_min_value",
        ),
        (
            {"purpose": "vision", "expires_after[anchor]": "created_at", "expires_after[seconds]": "2592001"},
            True,
            "expires_after.seconds",
            "integer_above_max_value",
        ),
        (
            {"purpose": "vision", "expires_after[anchor]": "created_at", "expires_after[seconds]": "soon"},
            True,
            "expires_after.seconds",
            "invalid_type",
        ),
    ],
)
async def test_a_wrong_form_is_refused_by_its_field_and_leaves_nothing(
    served: Served, fields: dict[str, str], file: bool, param: str, code: str
) -> None:
    files: Any = {"file": ("a", b"x" * 5000)} if file else {"other": (None, b"")}
    expected = param if file else "other"
    async with served.http_client() as http:
        refused = await http.post(ROOT, data=fields, files=files)
    error = refused.json()["error"]
    if not file:
        assert (refused.status_code, error["param"]) == (400, expected)
    else:
        assert (refused.status_code, error["param"], error["code"]) == (400, param, code)
    assert objects(served.folder) == []


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{}", "application/json", 415, "unsupported_content_type"),
        (b"", "multipart/form-data", 400, "invalid_form"),
        (b"no form at all", "multipart/form-data; boundary=b", 400, "invalid_form"),
        (
            FILE_PART + b"xy",
            "multipart/form-data; boundary=b",
            400,
            None,
        ),
        (b"--b\r\nContent-Disposition: attachment\r\n\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b", 400, None),
        (b"--b\r\n" + b"X: y\r\n" * 100 + b"\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b", 400, None),
    ],
    ids=["json", "no boundary", "no form", "cut off", "no name", "many headers"],
)
async def test_what_is_no_form_is_refused(served: Served, body: bytes, content_type: str, status: int, code: str | None) -> None:
    async with served.http_client() as http:
        refused = await http.post(ROOT, content=body, headers={"content-type": content_type})
    assert refused.status_code == status
    assert refused.json()["error"]["code"] == (code or "invalid_form")
    assert objects(served.folder) == []


async def pieces(count: int, size: int) -> AsyncIterator[bytes]:
    head = b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nvision\r\n'
    yield head + FILE_PART
    for _ in range(count):
        yield b"x" * size
    yield b"\r\n--b--\r\n"


async def test_the_limit_holds_while_reading_a_body_of_unknown_length(tmp_path: Path) -> None:
    served = Served(tmp_path, files=FilesSettings(max_file_bytes=100_000))
    async with served.running(), served.http_client() as http:
        headers = {"content-type": "multipart/form-data; boundary=b"}
        assert (await http.post(ROOT, content=pieces(10, 10_000), headers=headers)).status_code == 200
        refused = await http.post(ROOT, content=pieces(11, 10_000), headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (413, "file_too_large")
        announced = await http.post(ROOT, files={"file": ("a", b"x" * 200_000)}, data={"purpose": "vision"})
        assert (announced.status_code, announced.json()["error"]["param"]) == (413, "file")
    assert len(objects(tmp_path)) == 1


async def test_an_organization_can_use_its_quota_and_no_more(tmp_path: Path) -> None:
    settings = FilesSettings(max_files_per_organization=3, max_bytes_per_organization=10_000)
    served = Served(tmp_path, files=settings)
    async with served.running(), served.client() as client, served.client("sk-globex") as other:
        first = await upload(client, b"x" * 9_000)
        with pytest.raises(openai.PermissionDeniedError) as refused:
            await upload(client, b"x" * 1_001)
        assert refused.value.code == "file_quota_exceeded"
        await upload(client, b"x" * 1_000)
        await upload(other, b"x" * 10_000)
        await client.files.delete(first.id)
        for _ in range(2):
            await upload(client, b"x")
        with pytest.raises(openai.PermissionDeniedError):
            await upload(client, b"")
    assert len(objects(tmp_path)) == 4


async def test_uploads_at_once_share_one_quota(tmp_path: Path) -> None:
    served = Served(tmp_path, files=FilesSettings(max_files_per_organization=4))
    async with served.running(), served.client() as client:
        outcomes = await asyncio.gather(*(upload(client) for _ in range(10)), return_exceptions=True)
    made = [outcome for outcome in outcomes if not isinstance(outcome, openai.PermissionDeniedError)]
    assert len(made) == len(objects(tmp_path)) == 4


async def test_an_upload_that_the_client_breaks_off_leaves_nothing(served: Served) -> None:
    async def cut() -> AsyncIterator[bytes]:
        count = 0
        async for piece in pieces(40, 100_000):
            yield piece
            count += 1
            if count == 20:
                raise RuntimeError("the client dies")

    async with served.http_client() as http:
        with pytest.raises(RuntimeError):
            await http.post(ROOT, content=cut(), headers={"content-type": "multipart/form-data; boundary=b"})
    await until(lambda: objects(served.folder) == [])


@pytest.mark.slow
async def test_a_client_that_sends_nothing_more_is_not_waited_for(tmp_path: Path) -> None:
    served = Served(tmp_path, http=HttpSettings(body_timeout_s=0.2))

    async def stalled() -> AsyncIterator[bytes]:
        async for piece in pieces(1, 1000):
            yield piece
            await asyncio.sleep(1)

    async with served.running(), served.http_client() as http:
        refused = await http.post(ROOT, content=stalled(), headers={"content-type": "multipart/form-data; boundary=b"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (408, "request_timeout")
    assert objects(tmp_path) == []


async def test_expired_files_are_invisible_at_once_and_swept(tmp_path: Path) -> None:
    served = Served(tmp_path, files=FilesSettings(sweep_interval_s=0.05))
    async with served.running(), served.client() as client:
        made = await upload(client, expires_after={"anchor": "created_at", "seconds": 3600})
        kept = await upload(client)
        async with served.database.transaction() as session:
            await session.execute(text("UPDATE files SET expires_at = 1 WHERE expires_at IS NOT NULL"))
        with pytest.raises(openai.NotFoundError):
            await client.files.content(made.id)
        assert [file.id for file in (await client.files.list()).data] == [kept.id]
        await until(lambda: objects(tmp_path) == [f"{ACME.org_id}/{kept.id}"])
        await until(lambda: served.counted("ossature_files_swept_total", reason="expired") == 1)


async def test_memory_does_not_grow_with_the_file(served: Served) -> None:
    """The upload's own buffers: what it holds beside one piece would grow with the content."""
    size = 32 << 20
    tracemalloc.start()
    try:
        async with served.http_client() as http:
            headers = {"content-type": "multipart/form-data; boundary=b"}
            made = (await http.post(ROOT, content=pieces(size // (1 << 18), 1 << 18), headers=headers)).json()
            digest = hashlib.sha256()
            async with http.stream("GET", f"{ROOT}/{made['id']}/content") as content:
                async for piece in content.aiter_bytes():
                    digest.update(piece)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert digest.hexdigest() == made["sha256"] == hashlib.sha256(b"x" * size).hexdigest()
    assert peak_bytes < 16 << 20

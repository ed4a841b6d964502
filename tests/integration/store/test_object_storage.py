"""Object storage against its conformance checks: a folder, and S3 as a real server process speaks it.

s3fs brings libraries of its own into an environment. It and moto's server, which plays S3, therefore live in ``.venv-s3``
(``scripts/setup.sh --s3``), and the checks run there as a program.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.errors import StoreUnavailable
from cluster.store.objects.contract import ObjectStorage
from cluster.store.objects.folder import FolderStorage
from tests.integration.store.storage_conformance import CHECKS, put

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]
S3_PYTHON = ROOT / ".venv-s3" / "bin" / "python"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_a_folder_does_what_every_storage_must(tmp_path: Path, check: object) -> None:
    await check(FolderStorage(tmp_path / "objects"))  # type: ignore[operator]


async def test_a_folder_is_its_owners_alone_and_holds_nothing_unfinished(tmp_path: Path) -> None:
    storage: ObjectStorage = FolderStorage(tmp_path / "objects")
    await put(storage, "org/a", b"x")
    writer = await storage.create("org/b")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "objects").rglob("*")}
    assert {mode for name, mode in modes.items() if name in ("org", "unfinished.d")} == {0o700}
    assert modes["a"] == 0o600
    assert await storage.remove_unfinished(0) == 0
    (left,) = (tmp_path / "objects" / "unfinished.d").iterdir()
    os.utime(left, (1, 1))
    assert await storage.remove_unfinished(2) == 1
    assert await storage.keys_before(float("inf")) == ["org/a"]
    await writer.abort()


async def test_an_object_is_never_replaced(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    await put(storage, "org/a", b"first")
    with pytest.raises(StoreUnavailable):
        await put(storage, "org/a", b"second")
    assert (tmp_path / "org" / "a").read_bytes() == b"first"


async def test_a_disk_that_fails_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "objects").write_text("a file where a folder should be")
    with pytest.raises(StoreUnavailable):
        await FolderStorage(tmp_path / "objects").create("org/a")


@pytest.fixture(scope="module")
def s3_environment() -> Iterator[dict[str, str]]:
    """A bucket named ``files`` on a server process of its own, and the variables that lead there."""
    if not S3_PYTHON.exists():
        pytest.skip("there is no .venv-s3 (make it with scripts/setup.sh --s3): S3 is not tested")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [S3_PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(url, server)
        urllib.request.urlopen(urllib.request.Request(f"{url}/files", method="PUT"), timeout=10).close()
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16), "AWS_DEFAULT_REGION": "us-east-1"}
        yield {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "AWS_ENDPOINT_URL": url, **keys}
    finally:
        server.terminate()
        server.wait(10)


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("moto's server does not answer")


async def test_s3_does_what_every_storage_must(s3_environment: dict[str, str]) -> None:
    program = await asyncio.create_subprocess_exec(
        *(S3_PYTHON, "-m", "tests.integration.store.storage_conformance", "s3://files/some/prefix"),
        env=s3_environment,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await program.communicate()
    assert program.returncode == 0, errors.decode()
    assert output.decode() == f"{len(CHECKS)} checks passed\n"


async def test_s3_that_is_away_is_a_store_error(s3_environment: dict[str, str]) -> None:
    code = """
import asyncio
from pathlib import Path
from cluster.errors import StoreUnavailable
from cluster.store.objects.opening import open_storage
from tests.integration.store.storage_conformance import put
try:
    asyncio.run(put(open_storage("s3://files/x", Path("/nowhere")), "org/a", b"x"))
except StoreUnavailable as error:
    print(error.message)
"""
    gone = {**s3_environment, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    program = await asyncio.create_subprocess_exec(S3_PYTHON, "-c", code, env=gone, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    output, _ = await program.communicate()
    assert output.decode() == "The cluster's file storage is unavailable. Try again.\n"

"""``scripts/services.py`` on a checkout of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url

pytestmark = pytest.mark.integration

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


class Checkout:
    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "scripts").mkdir()
        shutil.copy(SCRIPTS / "services.py", root / "scripts")
        shutil.copytree(SCRIPTS / "services", root / "scripts" / "services")

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        script = self.root / "scripts" / "services.py"
        return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False)

    def json(self, *arguments: str) -> dict[str, Any]:
        done = self.command(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        server: dict[str, Any] = json.loads(done.stdout)["postgres"]
        return server

    def start_patiently(self) -> dict[str, Any]:
        """A killed server's own children need a moment to end; until then its memory is in use."""
        deadline = time.monotonic() + 20
        while self.command("start").returncode != 0 and time.monotonic() < deadline:
            time.sleep(0.2)
        return self.json("start")


def await_end(pid: int, timeout_s: float = 20.0) -> None:
    """A killed process on a busy machine has to be given the processor before it is gone."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state in "ZX":
            return
        assert time.monotonic() < deadline, f"the killed process {pid} goes on"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def only_checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    tmp_path = tmp_path_factory.mktemp("checkout")
    made = Checkout(tmp_path)
    data = None
    try:
        data = Path(made.json("start")["data"])
        yield made
    finally:
        stopped = made.command("stop")
        if data is not None and not data.is_relative_to(tmp_path):
            shutil.rmtree(data.parent)  # where the server's user cannot reach the temporary folder
        assert stopped.returncode == 0, stopped.stderr


@pytest.fixture
def checkout(only_checkout: Checkout) -> Checkout:
    """A checkout whose server runs."""
    only_checkout.json("start")
    return only_checkout


async def connect(url: str, **changes: Any) -> None:
    parsed = make_url(url)
    arguments = {"host": parsed.host, "port": parsed.port, "user": parsed.username, "password": parsed.password} | changes
    connection = await asyncpg.connect(database=parsed.database, timeout=5, **arguments)
    await connection.close()


async def test_start_is_idempotent_and_what_it_starts_needs_the_password(checkout: Checkout) -> None:
    first = checkout.json("start")
    again = checkout.json("start")
    assert again == first == checkout.json("status")
    await connect(first["url"])
    with pytest.raises(asyncpg.InvalidPasswordError):
        await connect(first["url"], password="guess")
    assert stat.S_IMODE((checkout.root / ".services" / "services.json").stat().st_mode) == 0o600


def test_it_listens_on_loopback_alone_and_not_as_root(checkout: Checkout) -> None:
    server = checkout.json("status")
    assert Path(f"/proc/{server['pid']}").stat().st_uid != 0
    port = f"{server['port']:04X}"
    listening = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port}")
    ]
    assert listening == [f"0100007F:{port}"]


async def test_stop_ends_it_and_a_later_start_has_the_same_data_and_password(checkout: Checkout) -> None:
    before = checkout.json("status")
    checkout.command("stop")
    with pytest.raises(OSError):
        await connect(before["url"])
    assert checkout.command("status").returncode == 3
    assert checkout.command("stop").returncode == 0
    after = checkout.json("start")
    assert after["pid"] != before["pid"]
    assert make_url(after["url"]).password == make_url(before["url"]).password
    await connect(after["url"])


async def test_a_killed_server_is_noticed_and_started_again(checkout: Checkout) -> None:
    pid = checkout.json("status")["pid"]
    os.kill(pid, signal.SIGKILL)
    await_end(pid)
    server = checkout.start_patiently()
    assert server["pid"] != pid
    await connect(server["url"])


def test_stop_leaves_a_later_process_with_the_same_pid_alone(checkout: Checkout) -> None:
    state_file = checkout.root / ".services" / "services.json"
    original = state_file.read_text()
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        state = json.loads(original)
        state["postgres"]["pid"] = stranger.pid
        state_file.write_text(json.dumps(state))
        assert checkout.command("stop").returncode == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
        state_file.write_text(original)


def test_a_taken_port_is_said(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Checkout(tmp_path_factory.mktemp("other"))
    port = checkout.json("status")["port"]
    refused = other.command("start", "--port", str(port))
    assert refused.returncode == 1
    assert f"port {port} is taken" in refused.stderr
    assert not (other.root / ".services" / "postgres").exists()

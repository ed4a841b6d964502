"""A PostgreSQL server of our own: data folder, user, start, process."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.install import Failure, say

HOST = "127.0.0.1"
DEFAULT_PORT = 15432
PORTS_TRIED = 50
SUPERUSER = "ossature"
START_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Postgres:
    """A server that was started here. ``started_ticks`` tells its process from a later one with the same pid."""

    host: str
    port: int
    user: str
    password: str
    database: str
    data: str
    pid: int
    started_ticks: int

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"

    @property
    def running(self) -> bool:
        return self.pid > 0 and start_ticks(self.pid) == self.started_ticks


def start_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; ``None`` if it is gone or only waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def account() -> dict[str, Any]:
    """Arguments of ``subprocess`` that drop root, which PostgreSQL refuses; empty when there is nothing to drop."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise Failure("PostgreSQL does not run as root, and this system has neither a user postgres nor nobody")


def data_folder(services: Path, user: dict[str, Any]) -> Path:
    """A folder that the server's user owns and can reach: in ``services``, unless a parent of it is closed (as /root is)."""
    tag = hashlib.sha256(str(services).encode()).hexdigest()[:12]
    elsewhere = Path("/var/lib") if os.geteuid() == 0 else Path(tempfile.gettempdir())
    for folder in (services / "postgres", elsewhere / f"ossature-services-{tag}" / "postgres"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if user:
            os.chown(folder, user["user"], user["group"])
        if subprocess.run(["test", "-w", folder], cwd="/", check=False, **user).returncode == 0:
            return folder
        if not any(folder.iterdir()):
            folder.rmdir()
    raise Failure(f"no folder for PostgreSQL's data: neither {services} nor {elsewhere} can be reached by its user")


def run(command: list[str | Path], **arguments: Any) -> str:
    done = subprocess.run(command, cwd="/", check=False, text=True, capture_output=True, **arguments)
    if done.returncode != 0:
        raise Failure(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def discard(data: Path) -> None:
    """Remove a data folder, unless a server still works in it."""
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        busy = Path(f"/proc/{pid}/cwd").resolve() == data.resolve()
    except (FileNotFoundError, ValueError, IndexError):
        busy = False
    if busy:
        raise Failure(f"a PostgreSQL whose password is lost (pid {pid}) still works in {data}; end it, then try again")
    shutil.rmtree(data)


def forget_dead(data: Path, pid: int) -> None:
    """Remove the pid file of a server that was killed. PostgreSQL does so itself, but not while its pid waits to be reaped."""
    pid_file = data / "postmaster.pid"
    if pid_file.exists() and pid_file.read_text().split("\n")[0].strip() == str(pid):
        pid_file.unlink()


def initialize(binaries: Path, data: Path, password: str, user: dict[str, Any]) -> None:
    say(f"creating a database cluster in {data}")
    with tempfile.NamedTemporaryFile("w") as file:  # mode 0600; a command line could be read by everybody
        file.write(password)
        file.flush()
        if user:
            os.chown(file.name, user["user"], user["group"])
        run(
            [
                binaries / "initdb", "--pgdata", data, "--username", SUPERUSER, "--pwfile", file.name, "--encoding", "UTF8",
                "--locale", "C.UTF-8", "--auth-host", "scram-sha-256", "--auth-local", "reject",
            ],
            **user,
        )  # fmt: skip


def free_port(wanted: int | None) -> int:
    for port in [wanted] if wanted else range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise Failure(f"port {wanted} is taken" if wanted else f"ports {DEFAULT_PORT} to {DEFAULT_PORT + PORTS_TRIED} are all taken")


def launch(binaries: Path, data: Path, log: Path, port: int, password: str, user: dict[str, Any]) -> Postgres:
    """Start the server and wait until it takes connections. It outlives this script."""
    settings = {
        "listen_addresses": HOST,
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 200,
        "shared_buffers": "64MB",
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, *(f"--{name}={value}" for name, value in settings.items())],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **user,
        )
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready(data, process.pid):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            tail = log.read_text(errors="replace").splitlines()[-10:]
            raise Failure("PostgreSQL did not start:\n  " + "\n  ".join(tail))
        time.sleep(0.05)
    ticks = start_ticks(process.pid)
    return Postgres(HOST, port, SUPERUSER, password, "postgres", str(data), process.pid, ticks if ticks is not None else 0)


def ready(data: Path, pid: int) -> bool:
    """PostgreSQL writes its state into the eighth line of ``postmaster.pid``."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

"""A PostgreSQL that a test may stop: of the same kind as the project's own services, with a folder of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.programs import ROOT, free_ports

sys.path.insert(0, str(ROOT / "scripts"))  # as the script that starts the services has it
from services.install import find_binaries, install
from services.postgres import Postgres, account, initialize, launch

STOPPED_WITHIN_S = 30.0


class Server:
    """``postgres`` is the present process: another one after :meth:`start_again`."""

    def __init__(self, folder: Path) -> None:
        self._user = account()
        self._folder = folder
        self._binaries = find_binaries() or install()
        self._password = secrets.token_hex(16)
        self._data = folder / "data"
        self._data.mkdir(mode=0o700)
        if self._user:
            for path in (folder, self._data):
                os.chown(path, self._user["user"], self._user["group"])
        initialize(self._binaries, self._data, self._password, self._user)
        self.postgres = self._launch(free_ports(1)[0])

    @property
    def url(self) -> str:
        return self.postgres.url

    def _launch(self, port: int) -> Postgres:
        return launch(self._binaries, self._data, self._folder / "postgres.log", port, self._password, self._user)

    def processes(self) -> list[int]:
        """The server and the processes of its connections."""
        pids = [self.postgres.pid]
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                if int(path.read_text().rpartition(")")[2].split()[1]) == self.postgres.pid:
                    pids.append(int(path.parent.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
        return pids

    def freeze(self) -> None:
        """It takes connections and answers nothing."""
        for pid in self.processes():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self.processes():
            os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """Connections are refused from now on."""
        os.kill(self.postgres.pid, signal.SIGQUIT)
        deadline = time.monotonic() + STOPPED_WITHIN_S
        while self.postgres.running:
            assert time.monotonic() < deadline, "PostgreSQL does not end"
            time.sleep(0.05)

    def start_again(self) -> None:
        self.postgres = self._launch(self.postgres.port)


@contextmanager
def server() -> Iterator[Server]:
    # PostgreSQL's own account has to reach it, which the folders of pytest don't allow.
    folder = Path(tempfile.mkdtemp(prefix="ossature-chaos-", dir="/var/lib" if os.geteuid() == 0 else None))
    folder.chmod(0o755)
    made: Server | None = None
    try:
        made = Server(folder)
        yield made
    finally:
        if made is not None and made.postgres.running:
            made.thaw()
            made.stop()
        shutil.rmtree(folder)

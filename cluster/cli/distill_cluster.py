"""The cluster as a distillation sees it: reading is tried again for a while when a gateway is away, creating is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cluster.cli.files import Purpose, upload_file
from cluster.cli.output import CommandError, ExitCode, note

if TYPE_CHECKING:  # it is slow to import, which every command would wait for
    from cluster.cli.client import ClusterClient

T = TypeVar("T")

PATIENCE_S: Final = 600.0
"""How long reading is tried again: a restart of the cluster takes minutes, a distillation hours."""
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 15.0
_BUSY: Final = (429, 502, 503, 504)
_ANSWER_TIMEOUT_S: Final = 600.0
_PAGE: Final = "100"


class PatientCluster:
    """Methods raise :class:`CommandError`. Those that read, and ``ask``, wait ``PATIENCE_S`` for an absent cluster first."""

    def __init__(
        self,
        client: ClusterClient,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._sleep = sleep
        self._clock = clock

    def get(self, path: str, **query: str) -> dict[str, Any]:
        return self._patiently(lambda: self._client.get(path, **query))

    def find(self, path: str) -> dict[str, Any] | None:
        try:
            return self.get(path)
        except CommandError as error:
            if error.status == 404:
                return None
            raise

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._client.post(path, dict(body))

    def ask(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._patiently(lambda: self._client.post("/v1/chat/completions", dict(body), timeout_s=_ANSWER_TIMEOUT_S))

    def pages(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        limit = {} if path == "/v1/models" else {"limit": _PAGE}
        after: dict[str, str] = {}
        while True:
            page = self.get(path, **query, **limit, **after)
            yield from page["data"]
            if not page.get("has_more") or not page["data"]:
                return
            after = {"after": page["data"][-1]["id"]}

    def lines(self, path: str, **query: str) -> Iterator[bytes]:
        with self._client.download(path, **query) as answer:
            kept = b""
            for piece in answer.iter_bytes():
                *whole, kept = (kept + piece).split(b"\n")
                yield from whole
            if kept:
                yield kept

    def upload(self, path: Path, purpose: str, filename: str) -> dict[str, Any]:
        return upload_file(self._client, path, Purpose(purpose), filename=filename)

    def _patiently(self, call: Callable[[], T]) -> T:
        import httpx  # slow, and there by now: the client has it

        pause_s, until = _FIRST_PAUSE_S, self._clock() + PATIENCE_S
        while True:
            try:
                return call()
            except CommandError as error:
                broken = isinstance(error.__cause__, httpx.TransportError)
                passing = broken or error.exit_code is ExitCode.UNREACHABLE or error.status in _BUSY
                if not passing or self._clock() + pause_s > until:
                    raise
                note(f"{error.message}; trying again")
            self._sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

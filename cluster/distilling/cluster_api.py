"""What a distillation needs of a cluster and of whoever watches. It knows neither HTTP libraries nor terminals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote


class ClusterApi(Protocol):
    """The public HTTP API with one key. Methods raise what their maker chooses for anything but a success."""

    def get(self, path: str, **query: str) -> dict[str, Any]: ...

    def find(self, path: str) -> dict[str, Any] | None:
        """``None`` for what does not exist."""
        ...

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Sent once: it is not known of a request that broke off whether it had an effect."""
        ...

    def ask(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A chat completion; asked again while the cluster is busy. May be called by several threads."""
        ...

    def pages(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """The objects of a list, page by page."""
        ...

    def lines(self, path: str, **query: str) -> Iterator[bytes]:
        """A body's lines, while it arrives, without their ends."""
        ...

    def upload(self, path: Path, purpose: str, filename: str) -> dict[str, Any]: ...


class Watcher(Protocol):
    """Is told what happens, while it happens."""

    def step(self, name: str, text: str) -> None: ...

    def say(self, text: str) -> None: ...

    def asked(self, done: int, total: int) -> None: ...

    def run(self, label: str, run: Mapping[str, Any]) -> None: ...

    def event(self, event: Mapping[str, Any]) -> None: ...


def eval_path(eval_id: str) -> str:
    return f"/v1/evals/{quote(eval_id, safe='')}"


def run_path(eval_id: str, run_id: str) -> str:
    return f"{eval_path(eval_id)}/runs/{quote(run_id, safe='')}"


def file_path(file_id: str) -> str:
    return f"/v1/files/{quote(file_id, safe='')}"


def job_path(job_id: str) -> str:
    return f"/v1/fine_tuning/jobs/{quote(job_id, safe='')}"


def model_path(model: str) -> str:
    return f"/v1/models/{quote(model, safe=':')}"

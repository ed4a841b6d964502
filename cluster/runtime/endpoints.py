"""``endpoints.json``: where a running cluster answers and with which keys, for scripts and for the command line."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from cluster.config.schema import ClusterConfig

FILE = "endpoints.json"


@dataclass(frozen=True, slots=True)
class Endpoints:
    http: str
    grpc: str | None
    metrics: str
    api_key: str | None
    admin_key: str
    models: list[str]

    @classmethod
    def of(cls, config: ClusterConfig, api_key: str | None, admin_key: str) -> Endpoints:
        return cls(
            http=f"http://{reachable(config.http.host)}:{config.http.port}",
            grpc=f"{reachable(config.http.host)}:{config.grpc.port}" if config.grpc.enabled else None,
            metrics=f"http://{reachable(config.metrics.host)}:{config.metrics.port}/metrics",
            api_key=api_key,
            admin_key=admin_key,
            models=[model.id for model in config.models],
        )

    def write(self, data_dir: Path) -> Path:
        """Readable by its owner alone: it holds keys."""
        path = data_dir / FILE
        draft = path.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(self), file, indent=2)
            file.write("\n")
        draft.replace(path)
        return path


def reachable(host: str) -> str:
    """An address that a client on this machine can use for a server that listens on ``host``."""
    if host in ("0.0.0.0", "::", "*"):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host

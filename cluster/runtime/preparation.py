"""From a loaded configuration to one that every process of the cluster can use: absolute paths, a secret, a database."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from cluster.config.schema import ClusterConfig, ModelSettings

_SECRET_FILE = "cluster-secret"  # noqa: S105 - the name of a file
_SECRET_BYTES = 32


class StartError(Exception):
    """The cluster can't start. The message says what is wrong and what to do next."""


def prepare(config: ClusterConfig) -> ClusterConfig:
    """Fill in what depends on this machine. Raises :class:`StartError`."""
    data_dir = config.data_dir.resolve()
    make_data_dir(data_dir)
    database = config.database
    if database.url is None:
        database = database.model_copy(update={"url": SecretStr(f"sqlite+aiosqlite:///{data_dir / 'ossature.db'}")})
    return config.model_copy(
        update={
            "data_dir": data_dir,
            "secret": config.secret or SecretStr(_own_secret(data_dir / _SECRET_FILE)),
            "database": database,
            "models": [_located(model) for model in config.models],
        }
    )


def make_data_dir(path: Path) -> None:
    """Make the folder for its owner alone; one that exists keeps the mode that its owner gave it. Raises :class:`StartError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StartError(f"data_dir: cannot make the folder {path} ({error.strerror}).") from None


def check_ports(config: ClusterConfig) -> None:
    """Raises :class:`StartError` naming the setting whose port is taken."""
    wanted = {"http.port": (config.http.host, config.http.port), "metrics.port": (config.metrics.host, config.metrics.port)}
    if config.grpc.enabled:
        wanted["grpc.port"] = (config.http.host, config.grpc.port)
    for setting, (host, port) in wanted.items():
        try:
            family, address = _bindable(host, port)
        except socket.gaierror as error:
            raise StartError(
                f"{setting.partition('.')[0]}.host: {host} is no address of this machine ({error.strerror})."
            ) from None
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                variable = "OSSATURE_" + setting.upper().replace(".", "__")
                raise StartError(
                    f"{setting}: cannot listen on {host}:{port} ({error.strerror}). "
                    f"Set another port, for example {variable}={port + 1}."
                ) from None


def _bindable(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """Family and socket address of a host; of a name with several the IPv4 one. Raises ``socket.gaierror``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda entry: entry[0] is not socket.AF_INET)
    return family, address


def _own_secret(path: Path) -> str:
    """The secret made at the first start. Losing it only turns every cached prefix cold."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        secret = path.read_text().strip()
        if len(secret) < _SECRET_BYTES:
            raise StartError(f"{path} holds no usable cluster secret; remove it to have a new one made.") from None
        return secret
    secret = secrets.token_hex(_SECRET_BYTES)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
    return secret


def _located(model: ModelSettings) -> ModelSettings:
    source = Path(model.source).expanduser()
    if source.exists():
        return model.model_copy(update={"source": str(source.resolve())})
    if model.source.startswith((".", "/", "~")):
        raise StartError(
            f"models: the folder {model.source} of {model.id!r} does not exist. "
            "For the models of this repository run `make models`; otherwise name a folder or a Hugging Face repository id."
        )
    return model

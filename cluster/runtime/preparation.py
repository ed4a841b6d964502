"""From a loaded configuration to one that every process of the cluster can use: absolute paths, a secret, a database."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from cluster.config.schema import ClusterConfig
from cluster.config.settings.models import ModelSettings
from cluster.config.settings.tuning import TunedModelsSettings
from cluster.runtime.cluster_secret import FILE, SecretError, SecretFile

CREDENTIALS_FILE = "credentials.json"
SECRET_FILES = (FILE, CREDENTIALS_FILE)
"""What a start makes in the data folder when the configuration gives none: the cluster secret and the first keys."""


class StartError(Exception):
    """The cluster can't start. The message says what is wrong and what to do next."""


def prepare(config: ClusterConfig) -> ClusterConfig:
    """Fill in what depends on this machine. Raises :class:`StartError`."""
    data_dir = config.data_dir.resolve()
    make_data_dir(data_dir)
    secret, accepted = _secrets(config, data_dir)
    database = config.database.model_copy(update={"url": SecretStr(database_url(config))})
    return config.model_copy(
        update={
            "data_dir": data_dir,
            "secret": secret,
            "accepted_secret": accepted,
            "database": database,
            "tuned_models": _absolute(config.tuned_models),
            "models": [_located(model) for model in config.models],
        }
    )


def database_url(config: ClusterConfig) -> str:
    """The configured database, else the embedded one: a file in the data folder."""
    if config.database.url is not None:
        return config.database.url.get_secret_value()
    return f"sqlite+aiosqlite:///{config.data_dir.resolve() / 'ossature.db'}"


def make_data_dir(path: Path) -> None:
    """Make the folder for its owner alone; one that exists keeps the mode that its owner gave it. Raises :class:`StartError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StartError(f"data_dir: cannot make the folder {path} ({error.strerror}).") from None


def check_ports(config: ClusterConfig) -> None:
    """Raises :class:`StartError` naming the setting whose port is taken."""
    for setting, (host, port) in edge_ports(config).items():
        if (problem := port_problem(setting, host, port)) is not None:
            raise StartError(problem)


def edge_ports(config: ClusterConfig) -> dict[str, tuple[str, int]]:
    """Where the cluster will listen for others, by the setting of the port."""
    wanted = {"http.port": (config.http.host, config.http.port), "metrics.port": (config.metrics.host, config.metrics.port)}
    if config.grpc.enabled:
        wanted["grpc.port"] = (config.http.host, config.grpc.port)
    return wanted


def port_problem(setting: str, host: str, port: int) -> str | None:
    """Why this process can't listen there, and what to do; ``None`` when it can."""
    try:
        family, address = _bindable(host, port)
    except socket.gaierror as error:
        return f"{setting.partition('.')[0]}.host: {host} is no address of this machine ({error.strerror})."
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            variable = "OSSATURE_" + setting.upper().replace(".", "__")
            return (
                f"{setting}: cannot listen on {host}:{port} ({error.strerror}). "
                f"Set another port, for example {variable}={port + 1}."
            )
    return None


def _bindable(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """Family and socket address of a host; of a name with several the IPv4 one. Raises ``socket.gaierror``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda entry: entry[0] is not socket.AF_INET)
    return family, address


def _secrets(config: ClusterConfig, data_dir: Path) -> tuple[SecretStr, SecretStr | None]:
    """Those of the configuration, else our own, made at the first start. Losing them only turns every cached prefix cold."""
    if config.secret is not None:
        return config.secret, config.accepted_secret
    try:
        own = SecretFile(data_dir).ensured()
    except SecretError as error:
        raise StartError(f"{error.message}. {error.next_step or ''}".strip()) from error
    accepted = config.accepted_secret or (SecretStr(own.accepted.secret) if own.accepted is not None else None)
    return SecretStr(own.current.secret), accepted


def _absolute(tuned: TunedModelsSettings) -> TunedModelsSettings:
    """Gateways and engine replicas may run in other folders, on other machines."""
    url, cache = tuned.storage_url, tuned.cache_dir
    return tuned.model_copy(
        update={
            "storage_url": url if url is None or "://" in url else str(Path(url).expanduser().resolve()),
            "cache_dir": None if cache is None else cache.expanduser().resolve(),
        }
    )


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

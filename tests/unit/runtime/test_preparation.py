"""What a start checks and makes before anything runs."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import pytest

from cluster.config.schema import ClusterConfig
from cluster.runtime.credentials import provide
from cluster.runtime.endpoints import Endpoints
from cluster.runtime.preparation import StartError, check_ports, prepare
from cluster.runtime.serve_environment import is_confined, is_loopback, serve_environment


def config(tmp_path: Path, **sections: object) -> ClusterConfig:
    return ClusterConfig.model_validate(
        {"data_dir": tmp_path / "run", "models": [{"id": "m", "source": str(tmp_path)}], **sections}
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_secret_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    first, second = prepare(config(tmp_path)), prepare(config(tmp_path))
    assert first.secret is not None
    assert second.secret is not None
    assert first.secret.get_secret_value() == second.secret.get_secret_value()
    assert mode(tmp_path / "run" / "cluster-secret") == 0o600
    assert mode(tmp_path / "run") == 0o700
    assert first.secret.get_secret_value() not in repr(first)


def test_a_damaged_secret_is_refused_rather_than_replaced(tmp_path: Path) -> None:
    prepare(config(tmp_path))
    (tmp_path / "run" / "cluster-secret").write_text("short")
    with pytest.raises(StartError, match="cluster-secret"):
        prepare(config(tmp_path))


def test_a_missing_model_folder_says_what_to_do(tmp_path: Path) -> None:
    missing = ClusterConfig.model_validate({"data_dir": tmp_path / "run", "models": [{"id": "m", "source": "./nowhere"}]})
    with pytest.raises(StartError, match="make models"):
        prepare(missing)


def test_a_repository_id_is_left_to_the_engine(tmp_path: Path) -> None:
    models = [{"id": "m", "source": "openai/gpt-oss-20b"}]
    prepared = prepare(ClusterConfig.model_validate({"data_dir": tmp_path, "models": models}))
    assert prepared.models[0].source == "openai/gpt-oss-20b"


def test_a_taken_port_is_named_with_its_setting_and_variable(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=rf"grpc\.port.*127\.0\.0\.1:{port}.*OSSATURE_GRPC__PORT"):
            check_ports(config(tmp_path, http={"port": free()}, metrics={"port": free()}, grpc={"port": port}))


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_the_first_keys_stay_the_same_over_starts(tmp_path: Path) -> None:
    prepared = prepare(config(tmp_path, identity={"development_organization": "Dev"}))
    first = await provide(prepared)
    assert await provide(prepared) == first
    assert first[0] is not None
    assert first[1].startswith("sk-admin-")
    assert mode(tmp_path / "run" / "credentials.json") == 0o600


async def test_without_a_development_organization_only_an_admin_key_is_made(tmp_path: Path) -> None:
    api_key, admin_key = await provide(prepare(config(tmp_path)))
    assert api_key is None
    assert admin_key


def test_endpoints_are_for_their_owner_and_reachable_from_here(tmp_path: Path) -> None:
    anywhere = config(tmp_path, http={"host": "0.0.0.0", "port": 8001})
    path = Endpoints.of(anywhere, "sk-x", "sk-admin-x").write(tmp_path)
    assert mode(path) == 0o600
    written = json.loads(path.read_text())
    assert written["http"] == "http://127.0.0.1:8001"
    assert set(written) == {"http", "grpc", "metrics", "api_key", "admin_key", "models"}


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("10.0.0.1", False), ("x", False)],
)
def test_loopback_is_recognized(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_only_a_loopback_cluster_on_its_own_ray_is_confined(tmp_path: Path) -> None:
    assert is_confined(config(tmp_path))
    assert not is_confined(config(tmp_path, http={"host": "0.0.0.0"}))
    assert not is_confined(config(tmp_path, ray={"address": "auto"}))
    assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" in serve_environment(config(tmp_path))
    assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" not in serve_environment(config(tmp_path, http={"host": "0.0.0.0"}))

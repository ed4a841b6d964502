"""What a start checks and makes before anything runs."""

from __future__ import annotations

import errno
import json
import socket
import stat
from pathlib import Path

import pytest

from cluster.config.schema import ClusterConfig
from cluster.runtime.credentials import provide
from cluster.runtime.endpoints import Endpoints
from cluster.runtime.exposure import exposures
from cluster.runtime.preparation import StartError, check_ports, prepare
from cluster.runtime.serve_environment import is_confined, is_loopback, ray_environment, serve_environment
from cluster.tuned.places import TunedPlaces


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a token of Ray's, of which a start may warn."""
    monkeypatch.setenv("HOME", str(tmp_path))


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
    assert first.secret.get_secret_value() not in repr(first)


def test_places_of_tuned_models_are_the_same_for_every_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    places = TunedPlaces.of(prepare(config(tmp_path, tuned_models={"storage_url": "store", "cache_dir": "cache"})))
    assert (places.storage_url, places.cache_folder) == (str(tmp_path / "store"), tmp_path / "cache")
    assert places.default_folder == tmp_path / "run" / "tuned-models"
    remote = prepare(config(tmp_path, tuned_models={"storage_url": "s3://bucket/x"}))
    assert TunedPlaces.of(remote).storage_url == "s3://bucket/x"
    assert TunedPlaces.of(remote).cache_folder == tmp_path / "run" / "adapters"


def test_a_data_folder_of_our_own_is_for_its_owner_alone(tmp_path: Path) -> None:
    prepared = prepare(config(tmp_path))
    assert mode(tmp_path / "run") == 0o700
    assert not list(exposures(prepared))


def test_a_data_folder_that_exists_keeps_its_mode_and_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o750)
    prepared = prepare(config(tmp_path))
    assert mode(tmp_path / "run") == 0o750
    assert mode(tmp_path / "run" / "cluster-secret") == 0o600
    (warning,) = exposures(prepared)
    assert "mode 0750" in warning


def test_a_data_folder_that_cannot_be_made_is_named_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(StartError, match=r"data_dir.*run"):
        prepare(config(tmp_path))


@pytest.mark.parametrize(
    ("sections", "cause"),
    [({"http": {"host": "0.0.0.0"}}, "http.host is 0.0.0.0"), ({"ray": {"address": "auto"}}, "ray.address is auto")],
)
def test_a_cluster_that_is_not_confined_is_warned_of(tmp_path: Path, sections: dict[str, object], cause: str) -> None:
    (warning,) = exposures(prepare(config(tmp_path, **sections)))
    assert warning.startswith(cause)
    assert "firewall" in warning


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


def test_a_taken_port_of_an_ipv6_address_is_found(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET6) as taken:
        try:
            taken.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=r"http\.port.*::1"):
            check_ports(config(tmp_path, http={"host": "::1", "port": port}, metrics={"port": free()}, grpc={"port": free()}))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost", "::1", "::"])
def test_free_ports_of_every_kind_of_address_are_accepted(tmp_path: Path, host: str) -> None:
    if ":" in host:
        with socket.socket(socket.AF_INET6) as probe:
            if probe.connect_ex(("::1", 9)) == errno.EADDRNOTAVAIL:
                pytest.skip("this machine has no IPv6 loopback")
    check_ports(config(tmp_path, http={"host": host, "port": free()}, metrics={"port": free()}, grpc={"port": free()}))


def test_a_host_that_has_no_address_is_named_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"metrics\.host: 256\.0\.0\.1\.invalid"):
        check_ports(config(tmp_path, http={"port": free()}, metrics={"host": "256.0.0.1.invalid"}, grpc={"enabled": False}))


def free() -> int:
    """A port that is free for both families: outgoing connections of other processes hold ports of either."""
    with socket.socket(socket.AF_INET6) as probe:
        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        probe.bind(("::", 0))
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


async def test_a_database_that_cannot_be_used_is_told_with_the_drivers_own_words(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    for url, words in (
        (f"postgresql+asyncpg://user:hunter2@127.0.0.1:{closed}/x", "ConnectionRefusedError"),
        (f"sqlite+aiosqlite:///{tmp_path}", "unable to open database file"),
        ("sqlite+aiosqlite:////proc/nothing/cluster.db", "/proc/nothing"),
    ):
        with pytest.raises(StartError, match=words) as refused:
            await provide(prepare(config(tmp_path, database={"url": url})))
        assert "hunter2" not in str(refused.value)


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


def test_what_a_ray_that_runs_already_needs_is_what_its_cluster_sets(tmp_path: Path) -> None:
    joined = config(tmp_path, ray={"address": "auto", "haproxy": False})
    assert ray_environment(joined) == serve_environment(joined)
    assert ray_environment(joined)["RAY_SERVE_ENABLE_HA_PROXY"] == "0"
    confined = config(tmp_path)
    assert ray_environment(confined).items() < serve_environment(confined).items()


def test_a_reload_of_haproxy_ends_no_stream_that_may_still_go_on(tmp_path: Path) -> None:
    def hard_stop_s(**sections: dict[str, float]) -> float:
        return float(ray_environment(config(tmp_path, **sections))["RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S"])

    assert hard_stop_s(realtime={"max_session_s": 5000}) > 5000
    assert hard_stop_s(realtime={"enabled": False}, admission={"request_timeout_s": 1000}) > 1000
    assert hard_stop_s(realtime={"enabled": False}, gateway={"graceful_shutdown_timeout_s": 2000}) > 2000

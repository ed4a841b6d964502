"""What commands say, and with which code they end, when something is wrong."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest

from cluster.cli.output import ExitCode
from cluster.runtime import launch
from cluster.runtime.lost_ray import RayLost
from tests.unit.cli.conftest import Run, write_endpoints
from tests.unit.cli.fake_cluster import FakeCluster

CALLS = [("org", "list"), ("project", "list", "--org", "o"), ("key", "revoke", "k"), ("model", "list"), ("chat", "hello")]


@pytest.mark.parametrize("arguments", CALLS)
def test_no_cluster_ends_with_3_and_says_how_to_start_one(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "ossature serve" in result.stderr


@pytest.mark.parametrize("arguments", CALLS)
def test_a_refused_connection_ends_with_3_and_names_the_address(run: Run, folder: Path, arguments: tuple[str, ...]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        write_endpoints(folder, url)
        result = run(*arguments)
    assert result.exit_code == 3
    assert url in result.stderr


@pytest.mark.parametrize("arguments", CALLS)
def test_a_wrong_key_ends_with_4_and_does_not_show_it(run: Run, cluster: FakeCluster, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, env={"OSSATURE_ADMIN_KEY": "sk-wrong", "OSSATURE_API_KEY": "sk-wrong"})
    assert result.exit_code == 4
    assert "invalid_api_key" in result.stderr
    assert "sk-wrong" not in result.output


@pytest.mark.parametrize("arguments", CALLS)
def test_a_server_error_ends_with_1_and_names_the_request(run: Run, cluster: FakeCluster, arguments: tuple[str, ...]) -> None:
    cluster.fault = "500"
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "req_1" in result.stderr


@pytest.mark.parametrize("arguments", CALLS)
def test_an_overloaded_cluster_says_when_to_come_back(run: Run, cluster: FakeCluster, arguments: tuple[str, ...]) -> None:
    cluster.fault = "503"
    result = run(*arguments)
    assert result.exit_code == 1
    assert "Try again in 3 s." in result.stderr


@pytest.mark.parametrize("fault", ["html", "not-a-list"])
def test_something_else_on_that_port_is_recognized(run: Run, cluster: FakeCluster, fault: str) -> None:
    cluster.fault = fault
    result = run("org", "list")
    assert result.exit_code == 1
    assert "does not seem to be a cluster" in result.stderr


def test_errors_are_json_for_scripts(run: Run, cluster: FakeCluster) -> None:
    result = run("key", "revoke", "none", "--json")
    assert result.stdout == ""
    error = json.loads(result.stderr)["error"]
    assert (result.exit_code, error["exit_code"]) == (5, 5)
    assert "none" in error["message"]


@pytest.mark.parametrize("key", ["sk-\n", "sk-ü", "sk a"])
def test_a_key_that_fits_no_header_is_a_usage_error(run: Run, cluster: FakeCluster, key: str) -> None:
    result = run("org", "list", env={"OSSATURE_ADMIN_KEY": key})
    assert result.exit_code == 2
    assert key not in result.output


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://a:b:c", "http://127.0.0.1:99999", "http://ex ample"])
def test_an_address_that_is_none_is_a_usage_error_or_unreachable(run: Run, url: str) -> None:
    assert run("org", "list", "--base-url", url, env={"OSSATURE_ADMIN_KEY": "k"}).exit_code in (2, 3)


def test_a_wrong_option_is_a_usage_error(run: Run) -> None:
    assert run("org", "list", "--nonsense").exit_code == 2


def test_interrupting_ends_with_130(run: Run, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cluster.cli.client.ClusterClient.get", interrupted)
    assert run("org", "list").exit_code == 130


def test_exit_codes_are_documented() -> None:
    page = (Path(__file__).parents[3] / "docs/cli.md").read_text()
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", page, flags=re.MULTILINE)}
    assert documented == {int(code) for code in ExitCode}


def test_a_cluster_whose_ray_has_died_ends_with_1_and_says_why(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose_ray(*_: object, **__: object) -> None:
        raise RayLost("Ray's control service (GCS) has not answered for 30 s")

    monkeypatch.setattr(launch, "serve", lose_ray)
    result = run("serve")
    assert result.exit_code == ExitCode.FAILED
    assert "the cluster has ended: Ray's control service (GCS) has not answered for 30 s" in result.stderr

"""Building Kubernetes' API servers: what can be said of it without a compiler."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.chart import ROOT

sys.path.append(str(ROOT / "scripts"))

from services import kubernetes
from services.install import Failure

ANNOTATED = "package v1\n\n// +k8s:openapi-gen=true\ntype Pod struct{}\n"


def write(path: Path, text: str = ANNOTATED) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_packages_with_openapi_definitions_are_found_behind_links(tmp_path: Path) -> None:
    write(tmp_path / "pkg/apis/abac/types.go")
    write(tmp_path / "pkg/plain/types.go", "package plain\n")
    write(tmp_path / "pkg/tested/types_test.go")
    write(tmp_path / "staging/src/k8s.io/api/core/v1/types.go")
    write(tmp_path / "staging/src/k8s.io/code-generator/types.go")
    (tmp_path / "vendor/k8s.io").mkdir(parents=True)
    for name in ("api", "code-generator"):
        (tmp_path / "vendor/k8s.io" / name).symlink_to(f"../../staging/src/k8s.io/{name}")
    assert kubernetes.annotated_packages(tmp_path) == ["k8s.io/api/core/v1", "k8s.io/kubernetes/pkg/apis/abac"]


def test_a_step_that_failed_is_done_again(tmp_path: Path) -> None:
    servers = kubernetes.Servers(tmp_path, jobs=1)

    def fail() -> None:
        with servers._once("sources") as needed:
            assert needed
            raise Failure("no network")

    with pytest.raises(Failure):
        fail()
    with servers._once("sources") as needed:
        assert needed
    with servers._once("sources") as needed:
        assert not needed


def test_programs_that_are_there_are_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    servers = kubernetes.Servers(tmp_path, jobs=1)
    (tmp_path / "bin").mkdir()
    for name in (*kubernetes.STORE, *kubernetes.FULL, *kubernetes.DEFINITIONS):
        (tmp_path / "bin" / name).touch()
    monkeypatch.setenv("PATH", "")  # neither apt nor tar could be found
    servers.ensure_store()
    servers.ensure_full()
    servers.ensure_definitions()


def test_without_apt_it_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Failure, match="apt-get, dpkg-deb not found"):
        kubernetes.Servers(tmp_path, jobs=1).ensure_store()


def test_sources_are_forgotten_and_programs_kept(tmp_path: Path) -> None:
    write(tmp_path / "bin/etcd")
    write(tmp_path / "full/src/main.go")
    write(tmp_path / "full-sources.done")
    kubernetes.Servers(tmp_path, jobs=1).forget_sources()
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]

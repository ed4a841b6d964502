"""How ``scripts/services.py`` installs PostgreSQL, with an ``apt-get`` that only takes notes."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

INSTALL = Path(__file__).resolve().parents[3] / "scripts" / "services" / "install.py"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The installer on a machine without PostgreSQL, run by root."""
    spec = importlib.util.spec_from_file_location("services_install", INSTALL)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    monkeypatch.setattr(loaded, "DEBIAN_BINARIES", tmp_path / "postgresql")
    monkeypatch.setattr(loaded, "CREATECLUSTER", tmp_path / "createcluster.conf")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return loaded


def provide_apt(folder: Path, script: str) -> Path:
    """An ``apt-get`` that notes its arguments, then does ``script``."""
    apt = folder / "bin" / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$*" "$DEBIAN_FRONTEND" >> {folder}/calls\n{script}\n')
    apt.chmod(0o755)
    return folder / "calls"


def test_it_installs_the_package_without_a_server_of_debians_own(module: ModuleType, tmp_path: Path) -> None:
    binaries = tmp_path / "postgresql" / "15" / "bin"
    script = f'case "$*" in *" postgresql") /bin/mkdir -p {binaries}; : > {binaries}/initdb; : > {binaries}/postgres;; esac'
    calls = provide_apt(tmp_path, script)
    assert module.find_binaries() is None
    assert module.install() == binaries
    assert calls.read_text().splitlines() == [
        "update noninteractive",
        "install -y --no-install-recommends postgresql-common noninteractive",
        "install -y --no-install-recommends postgresql noninteractive",
    ]
    assert "create_main_cluster = false" in (tmp_path / "createcluster.conf").read_text()


def test_a_setting_that_is_there_stays(module: ModuleType, tmp_path: Path) -> None:
    binaries = tmp_path / "postgresql" / "15" / "bin"
    binaries.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        (binaries / name).touch()
    (tmp_path / "createcluster.conf").write_text("create_main_cluster = true\n")
    provide_apt(tmp_path, "")
    module.install()
    assert (tmp_path / "createcluster.conf").read_text() == "create_main_cluster = true\n"


def test_the_newest_of_several_versions_is_taken(module: ModuleType, tmp_path: Path) -> None:
    for version in ("9.6", "15", "14"):
        binaries = tmp_path / "postgresql" / version / "bin"
        binaries.mkdir(parents=True)
        for name in ("initdb", "postgres"):
            (binaries / name).touch()
    (tmp_path / "postgresql" / "15" / "bin" / "postgres").unlink()  # a leftover of a removed package
    assert module.find_binaries() == tmp_path / "postgresql" / "14" / "bin"


def test_a_failed_installation_is_said(module: ModuleType, tmp_path: Path) -> None:
    provide_apt(tmp_path, "exit 100")
    with pytest.raises(module.Failure, match="apt-get update failed"):
        module.install()


def test_without_root_or_apt_it_says_what_to_do(module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(module.Failure, match="no apt-get"):
        module.install()
    provide_apt(tmp_path, "")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(module.Failure, match="only root"):
        module.install()

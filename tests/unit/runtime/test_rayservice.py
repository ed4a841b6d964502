"""What RayService's application does on the head before it is built."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pydantic
import pytest
import yaml

from cluster.config.problems import ConfigError
from cluster.config.schema import ClusterConfig
from cluster.config.settings.identity import IdentitySettings
from cluster.errors import Unauthenticated
from cluster.identity.authenticator import Authenticator
from cluster.identity.principal import Principal
from cluster.runtime import rayservice
from cluster.runtime.preparation import StartError
from cluster.store.database import Database

SECRET = "s" * 64
ADMIN_KEY = "sk-admin-" + "a" * 48


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where a supervisor was asked to look for metrics; there is no Ray to start one on."""
    folders: list[Path] = []
    monkeypatch.setattr(rayservice, "_ensure_supervisor", lambda config, folder: folders.append(folder))
    return folders


def text(folder: Path, **sections: object) -> str:
    """A configuration file without secrets."""
    return yaml.safe_dump({"data_dir": str(folder), "models": [{"id": "m", "source": "s"}], "ray": {"address": "auto"}, **sections})


def authenticated(config: ClusterConfig, key: str) -> Principal:
    async def ask() -> Principal:
        assert config.database.url is not None
        database = Database.open(config.database.url.get_secret_value(), config.database)
        authenticator = Authenticator(database, IdentitySettings(), time.monotonic)
        await authenticator.start()
        try:
            return await authenticator.authenticate(key)
        finally:
            await authenticator.close()
            await database.close()

    return asyncio.run(ask())


def test_secrets_come_from_the_heads_environment(tmp_path: Path, started: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSSATURE_SECRET", SECRET)
    monkeypatch.setenv("OSSATURE_IDENTITY__ADMIN_KEY", ADMIN_KEY)
    config = rayservice.prepared(text(tmp_path))
    assert config.secret is not None
    assert config.secret.get_secret_value() == SECRET
    assert started == [tmp_path / "metrics"]


def test_the_database_has_its_tables_and_the_admin_key_that_was_given(
    tmp_path: Path, started: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSSATURE_IDENTITY__ADMIN_KEY", ADMIN_KEY)
    config = rayservice.prepared(text(tmp_path))
    assert authenticated(config, ADMIN_KEY).admin
    with pytest.raises(Unauthenticated):
        authenticated(config, ADMIN_KEY.replace("a" * 48, "b" * 48))


def test_building_again_changes_nothing(tmp_path: Path, started: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray Serve builds an application anew for each change, and again after a failure."""
    monkeypatch.setenv("OSSATURE_SECRET", SECRET)
    monkeypatch.setenv("OSSATURE_IDENTITY__ADMIN_KEY", ADMIN_KEY)
    assert rayservice.prepared(text(tmp_path)) == rayservice.prepared(text(tmp_path))


def test_a_bad_admin_key_is_refused_without_being_shown(
    tmp_path: Path, started: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSSATURE_IDENTITY__ADMIN_KEY", "hunter2")
    with pytest.raises(StartError) as refused:
        rayservice.prepared(text(tmp_path))
    assert "hunter2" not in str(refused.value)


def test_problems_of_the_configuration_name_their_place(tmp_path: Path, started: list[Path]) -> None:
    with pytest.raises(ConfigError, match="serveConfigV2:"):
        rayservice.prepared(text(tmp_path, routing={"load_factor": 9}))
    assert started == []


@pytest.mark.parametrize("arguments", [{}, {"config": "models: []", "cofnig": ""}])
def test_unknown_and_missing_arguments_are_refused(arguments: dict[str, str]) -> None:
    with pytest.raises(pydantic.ValidationError):
        rayservice.application(arguments)

"""The doctor as a user who may not enter what belongs to the one that serves: it says so, and looks at the rest."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.runtime.doctor.database import DatabaseState
from cluster.runtime.doctor.disk import DiskSpace
from cluster.runtime.doctor.examination import checks_of, examined
from cluster.runtime.doctor.finding import Outcome
from cluster.runtime.doctor.model_files import ModelFiles
from tests.unit.runtime.doctor.conftest import Configured, said


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Closes a folder to this process, as modes do to everybody but root."""

    def close(folder: Path) -> None:
        def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
            def refused(path: Any, *arguments: Any, **options: Any) -> Any:
                if not isinstance(path, int) and Path(os.fsdecode(path)).is_relative_to(folder) and Path(path) != folder:
                    raise PermissionError(13, "Permission denied", str(path))
                return call(path, *arguments, **options)

            return refused

        for name in ("stat", "open", "scandir"):
            monkeypatch.setattr(os, name, guarded(getattr(os, name)))

    return close


def test_a_data_folder_of_another_user_ends_no_examination(configured: Configured, closed: Callable[[Path], None]) -> None:
    config = configured(speech={"enabled": False}, evals={"python_graders": False})
    config.data_dir.mkdir()
    closed(config.data_dir)
    found = {f"{finding.check}: {finding.subject}": finding for finding in asyncio.run(examined(checks_of(config)))}
    entered = found["data folder: whose it is"]
    assert entered.outcome is Outcome.UNKNOWN
    assert "user that serves" in (entered.next_step or "")
    assert "ports: http.port" in found
    assert not [each for each in found.values() if "defect" in (each.next_step or "")]


def test_a_models_folder_of_another_user_is_no_verdict(
    configured: Configured, tmp_path: Path, closed: Callable[[Path], None]
) -> None:
    home = tmp_path / "home"
    (home / "model").mkdir(parents=True)
    config = configured(models=[{"id": "m", "source": str(home / "model")}, {"id": "n", "source": str(tmp_path / "missing")}])
    closed(home)
    found = said(ModelFiles(config, tmp_path / "cache"))
    assert found["m"].outcome is Outcome.UNKNOWN
    assert "Permission denied" in found["m"].message
    assert found["n"].outcome is Outcome.PROBLEM
    assert checks_of(config)


def test_places_that_may_not_be_looked_at_leave_the_others_verdict(
    configured: Configured, tmp_path: Path, closed: Callable[[Path], None]
) -> None:
    config = configured()
    config.data_dir.mkdir()
    closed(config.data_dir)
    found = said(DiskSpace(config, tmp_path))
    assert found[f"files.storage_url ({config.data_dir / 'files'})"].outcome is Outcome.UNKNOWN
    assert found[f"HF_HOME ({tmp_path})"].outcome is not Outcome.UNKNOWN


def test_a_database_file_that_may_not_be_looked_at_is_one_that_cannot_be_used(
    configured: Configured, closed: Callable[[Path], None]
) -> None:
    config = configured()
    config.data_dir.mkdir()
    closed(config.data_dir)
    connection = said(DatabaseState(config))["connection"]
    assert connection.outcome is Outcome.PROBLEM
    assert "PermissionError" in connection.message

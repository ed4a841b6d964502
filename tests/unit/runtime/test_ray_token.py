"""Ray's token: made for its owner alone, and warned of where it isn't."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.config.schema import ClusterConfig
from cluster.runtime.exposure import exposures
from cluster.runtime.preparation import prepare
from cluster.runtime.ray_token import readable_token

MADE = "from cluster.runtime.ray_token import ensure_private_token; import os; os.umask(0o022); ensure_private_token()"
AUTHENTICATION = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"


def started(home: Path, code: str, **variables: str) -> str:
    """What a process of its own prints: Ray remembers a token that it has found."""
    environment = {name: value for name, value in os.environ.items() if name not in AUTHENTICATION}
    environment |= {"HOME": str(home)} | variables
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Ray looks for it."""
    for name in AUTHENTICATION:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".ray" / "auth_token"


@pytest.mark.slow
def test_a_token_is_made_for_this_user_alone_and_found_by_ray(token: Path, tmp_path: Path) -> None:
    code = (
        f"{MADE}; open('probe', 'w').close()\n"
        "from ray._private.authentication.authentication_utils import is_token_auth_enabled\n"
        "from ray._private.authentication import authentication_token_setup as setup\n"
        "print(is_token_auth_enabled(), setup.AuthenticationTokenLoader.instance().get_raw_token())"
    )
    enabled, raw = started(tmp_path, f"import os; os.chdir({str(tmp_path)!r}); {code}").split()
    assert (enabled, raw) == ("True", token.read_text())
    assert token.stat().st_mode & 0o077 == 0
    assert (tmp_path / "probe").stat().st_mode & 0o777 == 0o644, "the mask is as it was"
    before = token.read_text()
    started(tmp_path, MADE)
    assert token.read_text() == before, "one that is there stays: other clusters of this user go by it"


def test_no_token_is_made_where_that_is_switched_off(token: Path, tmp_path: Path) -> None:
    started(tmp_path, MADE, RAY_AUTH_MODE="disabled")
    assert not token.exists()


def test_a_token_that_others_may_read_is_warned_of(token: Path, tmp_path: Path) -> None:
    config = prepare(ClusterConfig.model_validate({"data_dir": tmp_path / "data", "models": [{"id": "m", "source": "org/m"}]}))
    token.parent.mkdir()
    token.write_text("token")
    for path, mode in ((token, 0o644), (token.parent, 0o755), (tmp_path, 0o755)):
        path.chmod(mode)
    (warning,) = exposures(config)
    assert str(token) in warning
    assert "chmod 600" in warning


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_token_is_exposed_by_its_own_mode_and_by_its_folders(token: Path, tmp_path: Path, mode: int) -> None:
    assert readable_token() is None
    token.parent.mkdir()
    token.write_text("token")
    token.chmod(mode)
    for folder in (token.parent, tmp_path):
        folder.chmod(0o755)
    assert readable_token() == (token if mode == 0o644 else None)
    assert readable_token({"RAY_AUTH_TOKEN": "given"}) is None
    for folder in (token.parent, tmp_path):
        folder.chmod(0o700)
        assert readable_token() is None
        folder.chmod(0o755)

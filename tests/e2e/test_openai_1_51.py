"""The client of the prompt-caching generation, from its own environment."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import REPOSITORY, RunningCluster

pytestmark = pytest.mark.e2e

MODEL = "gpt-oss-demo"
PYTHON = REPOSITORY / ".venv-openai-1.51" / "bin" / "python"


@pytest.fixture(scope="module")
def python() -> Path:
    if not PYTHON.exists():
        subprocess.run(["scripts/setup.sh", "--compat"], cwd=REPOSITORY, check=True)
    return PYTHON


def test_chat_stream_tools_and_strict_json(running: RunningCluster, python: Path) -> None:
    script = Path(__file__).with_name("compat") / "openai_1_51.py"
    done = subprocess.run(
        [str(python), str(script), f"{running.http}/v1", running.api_key, MODEL], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["version"] == "1.51.0"
    assert report["chat"] == report["stream"] != ""
    assert report["usage"] > 0
    assert report["tool"] == ["place_order", {"item": "mugs", "quantity": 5}]
    assert set(report["order"]) == {"item", "quantity"}
    assert report["models"] == [MODEL]
    assert report["error"] == "model_not_found"

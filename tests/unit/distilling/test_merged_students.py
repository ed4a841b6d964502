"""A student whose tuned weights no engine takes as an adapter: the distillation waits for the cluster's next start."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cluster.distilling.distillation import Distillation
from cluster.distilling.plan import DistillationFailed

MODEL = "ft:student:org_a:x:0123456789abcdef"


class FakeApi:
    """Shows one model."""

    def find(self, path: str) -> dict[str, Any]:
        assert path.endswith("0123456789abcdef")
        return {"id": MODEL, "object": "model", "started": False}


def test_a_tuned_student_without_engines_is_not_measured() -> None:
    state: Any = SimpleNamespace(outputs={"tune": {"model": MODEL}})
    api: Any = FakeApi()
    watcher: Any = None
    with pytest.raises(DistillationFailed, match="the same command") as caught:
        Distillation(api, state, watcher)._eval()
    assert caught.value.code == "model_not_started"
    assert list(state.outputs) == ["tune"]

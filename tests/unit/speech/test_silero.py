from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cluster.speech import onnx
from cluster.speech.audio.pcm import as_float
from cluster.speech.audio.resample import resample
from cluster.speech.contract import VAD_FRAME_SAMPLES
from cluster.speech.errors import SpeechUnavailable
from cluster.speech.silero import model as module
from cluster.speech.silero.model import SileroModel, SileroVad
from tests.unit.speech.sounds import strawberries

ROOT = Path(__file__).resolve().parents[3]
LISTENING = """
import numpy as np
from cluster.speech.silero.model import SileroModel, SileroVad
print(*SileroVad(SileroModel()).probabilities(np.zeros((1, 512), np.float32)))
"""


def frames() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    samples = as_float(resample(strawberries(), 24_000, 16_000))
    count = len(samples) // VAD_FRAME_SAMPLES
    return samples[: count * VAD_FRAME_SAMPLES].reshape(count, VAD_FRAME_SAMPLES)


def test_speech_is_probable_and_silence_is_not() -> None:
    vad = SileroVad(SileroModel())
    assert np.median(vad.probabilities(frames())) > 0.9
    quiet = vad.probabilities(np.zeros((30, VAD_FRAME_SAMPLES), np.float32))
    assert quiet[-1] < 0.05


def test_sessions_share_the_network_and_not_their_past() -> None:
    network = SileroModel()
    first = frames()[:1]
    alone = SileroVad(network).probabilities(first)
    one, other = SileroVad(network), SileroVad(network)
    one.probabilities(frames())
    assert other.probabilities(first) == alone
    one.reset()
    assert one.probabilities(first) == alone


def test_frames_at_once_are_heard_as_they_are_one_by_one() -> None:
    network = SileroModel()
    once, singly = SileroVad(network), SileroVad(network)
    at_once = once.probabilities(frames())
    assert singly.probabilities(frames()[:0]) == []
    assert [singly.probabilities(frame[None])[0] for frame in frames()] == pytest.approx(at_once, abs=1e-5)


def test_listening_needs_no_torch_and_leaves_no_trace_of_telemetry(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "PYTHONPROFILEIMPORTTIME": "1", "PYTEST_CURRENT_TEST": ""}
    for name in ("CI", "PYTEST_CURRENT_TEST", "PYTEST_VERSION"):
        environment.pop(name, None)  # onnxruntime keeps quiet where it believes to be tested
    done = subprocess.run([sys.executable, "-c", LISTENING], env=environment, capture_output=True, text=True, check=True)
    assert 0 <= float(done.stdout) <= 1
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "onnxruntime" in imported
    assert not imported & {"torch", "silero_vad"}
    assert list(tmp_path.rglob("*")) == []


def test_onnxruntime_is_imported_in_one_place() -> None:
    importing = re.compile(r"^\s*(?:import|from) onnxruntime", re.MULTILINE)
    places = [path for path in (ROOT / "cluster").rglob("*.py") if importing.search(path.read_text())]
    assert places == [Path(onnx.__file__)]


def test_a_missing_wheel_is_named_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DISTRIBUTION", "silero-vad-that-is-not-there")
    with pytest.raises(SpeechUnavailable, match="pip install --no-deps silero-vad"):
        SileroModel()


@pytest.mark.parametrize("content", [None, b"no model"])
def test_a_file_that_is_no_model_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "vad.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpeechUnavailable, match=r"vad\.onnx"):
        SileroModel(path)

"""Files and network, with one that hums (``models/speech/kokoro.py``)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cluster.speech.errors import SpeechFailed, SpeechUnavailable
from cluster.speech.kokoro import files
from cluster.speech.kokoro.network import KokoroNetwork
from models.speech import kokoro
from models.speech.onnx_file import FLOAT, Graph, Value, model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kokoro.make(tmp_path_factory.mktemp("models") / "kokoro")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The layout with one archive of voices, an older network, and no durations."""
    (tmp_path / "kokoro-v1.0.onnx").write_bytes(kokoro.network(tokens="tokens", durations=False))
    with (tmp_path / "voices-v1.0.bin").open("wb") as file:
        np.savez(file, **{voice: kokoro.style(voice) for voice in kokoro.VOICES})
    (tmp_path / "config.json").write_text(json.dumps({"vocab": kokoro.numbers()}))
    return tmp_path


def test_the_hubs_layout_is_found(folder: Path) -> None:
    found = files.find(str(folder))
    assert set(found.voices) == set(kokoro.VOICES)
    assert found.voices["af_heart"].shape == (510, 256)
    network = KokoroNetwork(found)
    assert network.symbols == kokoro.numbers()
    assert network.known("həlˈO ☃") == "həlˈO "


def test_symbols_last_as_long_as_the_network_says(folder: Path) -> None:
    found = files.find(str(folder))
    network = KokoroNetwork(found)
    sound = network.run(network.new_run(), "a, b", found.voices["af_heart"], 1.0)
    frames = np.diff(sound.edges) / 600
    assert frames.tolist() == [4, 1, 1, 4]
    assert len(sound.samples) == 12 * 600, "and a silent frame at both ends"
    assert np.abs(sound.samples[:600]).max() == 0
    faster = network.run(network.new_run(), "a, b", found.voices["af_heart"], 2.0)
    assert (np.diff(faster.edges) / 600).tolist() == [2, 1, 1, 2]


def test_another_voice_sounds_different(folder: Path) -> None:
    found = files.find(str(folder))
    network = KokoroNetwork(found)
    one, other = [network.run(network.new_run(), "aaa", found.voices[name], 1.0).samples for name in ("af_heart", "am_onyx")]
    assert len(one) == len(other)
    assert not np.array_equal(one, other)


def test_an_archive_of_voices_and_an_older_network_are_found(archive: Path) -> None:
    found = files.find(str(archive))
    assert set(found.voices) == set(kokoro.VOICES)
    network = KokoroNetwork(found)
    sound = network.run(network.new_run(), "abcd", found.voices["af_heart"], 1.0)
    steps = np.diff(sound.edges)
    assert steps.max() - steps.min() <= 1, "without durations all symbols count the same"
    assert 0 < sound.edges[0] < sound.edges[-1] < len(sound.samples)


def test_symbols_may_stand_in_the_networks_metadata(archive: Path) -> None:
    (archive / "config.json").unlink()
    with pytest.raises(SpeechUnavailable, match=r"config\.json"):
        KokoroNetwork(files.find(str(archive)))
    metadata = {"kokoro_config": json.dumps({"vocab": kokoro.numbers()})}
    (archive / "kokoro-v1.0.onnx").write_bytes(kokoro.network(metadata=metadata))
    assert KokoroNetwork(files.find(str(archive))).symbols == kokoro.numbers()


def test_of_several_networks_one_is_named(archive: Path) -> None:
    (archive / "kokoro-v1.0.int8.onnx").write_bytes(kokoro.network())
    with pytest.raises(SpeechUnavailable, match="synthesizer_file"):
        files.find(str(archive))
    assert files.find(str(archive), "kokoro-v1.0.int8.onnx").network.name == "kokoro-v1.0.int8.onnx"
    with pytest.raises(SpeechUnavailable, match=r"none\.onnx"):
        files.find(str(archive), "none.onnx")


def test_a_folder_without_voices_says_so(archive: Path) -> None:
    (archive / "voices-v1.0.bin").unlink()
    with pytest.raises(SpeechUnavailable, match="no voices"):
        files.find(str(archive))


@pytest.mark.parametrize("content", [b"", b"\0" * 1000, b"\0" * 1024 * 3 + b"\0"], ids=["empty", "half a row", "an odd byte"])
def test_a_broken_voice_is_refused(archive: Path, content: bytes) -> None:
    (archive / "voices").mkdir()
    (archive / "voices/af_broken.bin").write_bytes(content)
    if len(content) % 4:
        assert files.find(str(archive)).voices["af_broken"].shape == (3, 256), "numpy leaves out what is no whole number"
    else:
        with pytest.raises(SpeechUnavailable):
            files.find(str(archive))


def test_no_python_objects_are_read_from_an_archive(archive: Path) -> None:
    with (archive / "voices-v1.0.bin").open("wb") as file:
        np.savez(file, af_evil=np.array([{"a": 1}], dtype=object))
    with pytest.raises(SpeechUnavailable, match="allow_pickle"):
        files.find(str(archive))


def test_a_path_that_is_no_folder_is_not_looked_for_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(SpeechUnavailable, match="is no folder"):
        files.find(str(tmp_path / "none"))


def test_what_is_not_on_this_machine_is_told_when_the_hub_is_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(SpeechUnavailable, match="nobody/none"):
        files.find("nobody/none")


def test_another_network_is_refused(archive: Path) -> None:
    graph = Graph()
    graph.add("Identity", ["x"], "y")
    (archive / "kokoro-v1.0.onnx").write_bytes(model(graph, [Value("x", FLOAT, (1,))], [Value("y", FLOAT, (1,))]))
    with pytest.raises(SpeechUnavailable, match="no Kokoro"):
        KokoroNetwork(files.find(str(archive)))


def test_a_gpu_that_onnxruntime_does_not_know_is_named(folder: Path) -> None:
    with pytest.raises(SpeechUnavailable, match="onnxruntime-gpu"):
        KokoroNetwork(files.find(str(folder)), device="cuda")


def test_a_stopped_run_gives_nothing(folder: Path) -> None:
    found = files.find(str(folder))
    network = KokoroNetwork(found)
    run = network.new_run()
    run.stop()
    with pytest.raises(SpeechFailed, match="dropped"):
        network.run(run, "a", found.voices["af_heart"], 1.0)

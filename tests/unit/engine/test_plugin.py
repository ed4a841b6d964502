"""The plugin that vLLM loads in each of its processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import entry_points

import pytest

from cluster.engine.processes import read_state
from cluster.engine.vllm import patches, plugin
from cluster.engine.vllm.patches.parent_death import die_with_parent

PARENT = """
import multiprocessing, time
from cluster.engine.vllm.patches.parent_death import die_with_parent

def child(ready):
    ready.send(die_with_parent())
    time.sleep(120)

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=child, args=(theirs,))
    process.start()
    print(process.pid, ours.recv(), flush=True)
    time.sleep(120)
"""


def test_vllm_finds_the_plugin() -> None:
    (entry,) = (entry for entry in entry_points(group="vllm.general_plugins") if entry.name == "ossature")
    assert entry.load() is plugin.register


def test_the_plugin_is_imported_without_anything_heavy() -> None:
    program = (
        "import sys, cluster.engine.vllm.plugin; print([m for m in ('ray','fastapi','torch','vllm','numpy') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert printed.stdout.strip() == "[]"


@pytest.mark.slow
def test_patches_are_left_out_for_another_version_of_vllm(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import vllm.version

    monkeypatch.setattr(vllm.version, "__version__", "0.99.0")
    monkeypatch.setattr(plugin, "_patch_engine", lambda: pytest.fail("patched a version that it was not written for"))
    plugin.register()
    assert "0.99.0" in caplog.text


@pytest.mark.slow
def test_the_installed_vllm_is_the_version_that_the_patches_were_written_for() -> None:
    from vllm.version import __version__

    assert __version__.startswith(patches.PATCHED_VERSION)


def test_a_process_of_our_own_is_not_bound_to_its_parent() -> None:
    assert multiprocessing.parent_process() is None
    assert die_with_parent() is False


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends orphans on Linux only")
def test_an_engine_process_dies_with_a_replica_that_is_killed(tmp_path: object) -> None:
    script = f"{tmp_path}/parent.py"
    with open(script, "w", encoding="utf-8") as file:
        file.write(PARENT)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        pid, bound = parent.stdout.readline().split()
        assert bound == "True"
        assert read_state(int(pid)) is not None
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)
        deadline_s = time.monotonic() + 10
        while _is_running(int(pid)):
            assert time.monotonic() < deadline_s, "the child outlived its parent"
            time.sleep(0.02)


def _is_running(pid: int) -> bool:
    state = read_state(pid)
    return state is not None and state.state not in "ZXx"

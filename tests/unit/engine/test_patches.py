"""Each patch against the defect that it mends.

The ``still`` tests show that vLLM without the patch is wrong. When one fails, vLLM has mended the defect: remove the patch.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from typing import Any

import pytest

#: Loads vLLM.
pytestmark = pytest.mark.slow

# One fresh process for all: patches are for a whole process, can't be taken back, and importing vLLM takes seconds.
PROBE = """
import ctypes, json
import torch
import vllm
from openai_harmony import HarmonyEncodingName, Role, load_harmony_encoding
import vllm.parser.harmony as harmony
from vllm.model_executor.layers.fused_moe.config import FusedMoEConfig
from vllm.model_executor.layers.fused_moe.oracle import unquantized
from vllm.lora.punica_wrapper import punica_cpu
from cluster.engine.vllm.patches import amx, harmony_json, lora_base_rows, lora_on_moe, lora_prompt_scores

ARCH_PRCTL, ARCH_GET_XCOMP_PERM, XTILEDATA = 158, 0x1022, 1 << 18
encoding = load_harmony_encoding(HarmonyEncodingName.HARMONY_GPT_OSS)

def recipient(header):
    text = '<|channel|>final%s<|message|>{"n":1}<|return|>' % header
    tokens = encoding.encode(text, allowed_special="all")
    (message,) = encoding.parse_messages_from_completion_tokens(tokens, Role.ASSISTANT)
    return harmony.HarmonyParser._normalize_recipient(message.recipient)

class Experts(FusedMoEConfig):
    def __init__(self):
        self.is_lora_enabled = True
        try:
            self.__post_init__()
        except AttributeError:
            pass  # it goes on to fields that the choice of a backend under LoRA does not look at

def expert_backend():
    try:
        return unquantized.select_unquantized_moe_backend(Experts())[0].name
    except AttributeError:
        return "asks the platform"

def amx_permitted():
    mask = ctypes.c_uint64()
    ctypes.CDLL(None).syscall(ARCH_PRCTL, ARCH_GET_XCOMP_PERM, ctypes.byref(mask))
    return bool(mask.value & XTILEDATA)

def lora_rows(indices):
    # What two adapters give to rows of ones: 1 for the first, 2 for the second. By both of the wrapper's ways.
    adapters = torch.stack([torch.ones(1, 1, 4), torch.full((1, 1, 4), 2.0)])
    rows, index = torch.ones(len(indices), 4), torch.tensor(indices)
    lengths = torch.ones(len(indices), dtype=torch.long)
    answers = []
    for way in ("bgmv", "sgmv"):
        out = torch.full((len(indices), 1), 7.0)
        if way == "bgmv":
            punica_cpu.bgmv_shrink(rows, adapters, out, index, 0.25)
        else:
            punica_cpu.sgmv_shrink(rows, adapters, out, None, lengths, index, len(indices), 1, len(indices), 0.25)
        answers.append(out.flatten().tolist())
    return answers

def prompt_scores(requests):
    # What an adapter adds to five rows of the output layer in a step of so many requests.
    wrapper = object.__new__(punica_cpu.PunicaWrapperCPU)
    wrapper._sampler_indices, wrapper.indices_len = torch.zeros(8, dtype=torch.long), [None, requests, None, None]
    logits = torch.zeros(5, 3)
    try:
        wrapper.add_lora_logits(logits, torch.ones(5, 4), torch.ones(1, 1, 1, 4), torch.ones(1, 1, 3, 1), 1.0)
    except RuntimeError:
        return "fails"
    return logits.sum().item()

def state():
    return {
        "prompt_scores": [prompt_scores(2), prompt_scores(5)],
        "lora_rows": lora_rows([0, -1, 1]),
        "json_headers": {header: recipient(header) for header in harmony._JSON_CONSTRAINS},
        "expert_backend": expert_backend(),
        "amx_permitted": amx_permitted(),
    }

unpatched = state()
for _ in range(2):
    harmony_json.allow_only_parsable_json_header()
    lora_on_moe.keep_experts_on_cpu_backend()
    lora_base_rows.keep_adapters_off_base_rows()
    lora_prompt_scores.score_prompts_beside_others()
    amx.allow_amx()
print(json.dumps({"unpatched": unpatched, "patched": state(), "has_amx": torch.cpu._is_amx_tile_supported(),
                  "cpu_build": torch.version.cuda is None}))
"""


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    environment = os.environ | {"VLLM_PLUGINS": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False, timeout=500, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_vllm_still_lets_models_write_a_json_header_that_its_parser_takes_for_a_recipient(facts: dict[str, Any]) -> None:
    assert facts["unpatched"]["json_headers"] == {" json": "json", " <|constrain|>json": None}


def test_patched_only_the_header_that_is_parsed_right_is_left(facts: dict[str, Any]) -> None:
    assert facts["patched"]["json_headers"] == {" <|constrain|>json": None}


def test_vllm_still_picks_triton_for_experts_under_lora_on_cpu(facts: dict[str, Any]) -> None:
    if not facts["cpu_build"]:
        pytest.skip("a build for GPUs, where Triton is right")
    assert facts["unpatched"]["expert_backend"] == "TRITON"


def test_patched_experts_ask_the_platform_for_their_backend(facts: dict[str, Any]) -> None:
    if not facts["cpu_build"]:
        pytest.skip("a build for GPUs, where the patch is not applied")
    assert facts["patched"]["expert_backend"] == "asks the platform"


def test_vllm_still_applies_the_last_adapter_to_rows_without_one_on_cpu(facts: dict[str, Any]) -> None:
    assert facts["unpatched"]["lora_rows"] == [[1.0, 2.0, 2.0]] * 2


def test_vllm_still_fails_to_score_a_prompt_beside_another_request_on_cpu(facts: dict[str, Any]) -> None:
    assert facts["unpatched"]["prompt_scores"] == ["fails", 60.0]


def test_patched_rows_of_a_prompt_pass_the_output_layer_as_they_are(facts: dict[str, Any]) -> None:
    assert facts["patched"]["prompt_scores"] == [0.0, 60.0]


def test_patched_rows_without_an_adapter_get_none(facts: dict[str, Any]) -> None:
    assert facts["patched"]["lora_rows"] == [[1.0, 0.0, 2.0]] * 2


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="AMX is x86-64's")
def test_importing_vllm_still_asks_for_no_amx_permission_and_the_patch_does_where_there_is_amx(facts: dict[str, Any]) -> None:
    assert facts["unpatched"]["amx_permitted"] is False
    assert facts["patched"]["amx_permitted"] is facts["has_amx"]

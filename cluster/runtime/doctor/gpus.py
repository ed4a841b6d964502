"""GPUs of this machine against what the configuration asks for, through ``nvidia-smi``, which comes with the driver."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from cluster.config.schema import ClusterConfig
from cluster.config.settings.models import ModelSettings
from cluster.runtime.doctor.finding import Finding, Reporter, gib

BUSY_FRACTION = 0.05
"""Memory of a GPU that something else may hold before vLLM's own share of it (0.9 and more) can get scarce."""
_QUERY = ("--query-gpu=index,name,driver_version,memory.total,memory.used", "--format=csv,noheader,nounits")
_CUDA = re.compile(r"CUDA Version:\s*(\d+)\.(\d+)")
_TIMEOUT_S = 20.0

Smi = Callable[..., Awaitable["tuple[int, str]"]]
"""Runs ``nvidia-smi`` with arguments: exit status, and both outputs as text. Raises ``OSError`` when there is none."""


@dataclass(frozen=True, slots=True)
class Gpu:
    index: int
    name: str
    driver: str
    total_bytes: int
    used_bytes: int


class Gpus(Reporter):
    """``serving``: a cluster runs here, whose engines hold the memory. ``torch_cuda``: the CUDA that PyTorch is built for."""

    name: ClassVar[str] = "gpus"

    def __init__(
        self,
        config: ClusterConfig,
        *,
        serving: bool,
        smi: Smi | None = None,
        torch_cuda: Callable[[], tuple[int, int] | None] | None = None,
    ) -> None:
        self._config = config
        self._serving = serving
        self._smi = smi or nvidia_smi
        self._torch_cuda = torch_cuda or built_for_cuda

    async def findings(self) -> Sequence[Finding]:
        wanted = gpus_wanted(self._config)
        if wanted == 0:
            return [self.ok("GPUs", "none asked for: the models run on processors")]
        try:
            status, text = await self._smi(*_QUERY)
        except OSError:
            return [self._absent(f"{wanted:g} asked for, and nvidia-smi is not installed here")]
        except TimeoutError:
            return [
                self.problem(
                    "driver", f"nvidia-smi did not answer in {_TIMEOUT_S:.0f} s", "See `dmesg` for Xid errors; restart the machine."
                )
            ]
        if status != 0:
            return [
                self.problem(
                    "driver",
                    f"nvidia-smi failed: {_first_line(text)}",
                    "Library and kernel module must be of one version: restart the machine after a driver update. In a container, "
                    "check the NVIDIA container runtime.",
                )
            ]
        try:
            gpus = parsed(text)
        except ValueError:
            return [self.unknown("GPUs", f"nvidia-smi answered something unexpected: {_first_line(text)}")]
        return [self._number(wanted, gpus), *self._spare(wanted, gpus), *await self._driver(gpus), *self._memory(gpus)]

    def _absent(self, cause: str) -> Finding:
        if self._config.ray.address is not None:
            return self.unknown("GPUs", f"{cause}; they may be on other nodes", "Run `ossature doctor` on the nodes with GPUs.")
        return self.problem("GPUs", cause, "Install the NVIDIA driver, or choose a configuration that runs on processors.")

    def _number(self, wanted: float, gpus: Sequence[Gpu]) -> Finding:
        kinds = ", ".join(sorted({gpu.name for gpu in gpus})) or "none"
        if len(gpus) >= wanted:
            return self.ok("GPUs", f"{len(gpus)} here ({kinds}), {wanted:g} asked for")
        cause = f"{len(gpus)} here ({kinds}), {wanted:g} asked for by models and speech"
        if self._config.ray.address is not None:
            return self.unknown("GPUs", f"{cause}; the rest may be on other nodes", "`ray status` counts those of all nodes.")
        return self.problem("GPUs", cause, "Lower replicas or tensor_parallel_size, or add GPUs.")

    def _spare(self, wanted: float, gpus: Sequence[Gpu]) -> list[Finding]:
        """Whether models of their own, which join when the cluster starts, find room behind those that are configured."""
        most, spare = gpus_of_merged_models(self._config), len(gpus) - wanted
        if not most or spare < 0:
            return []
        if spare >= most:
            return [self.ok("GPUs to spare", f"{spare:g}, tuned models with weights of their own may take {most:g}")]
        cause = f"{spare:g}, but tuned models with weights of their own may take {most:g} (tuned_models.max_merged_models)"
        if self._config.ray.address is not None:
            return [
                self.unknown(
                    "GPUs to spare", f"{cause}; there may be some on other nodes", "`ray status` counts those of all nodes."
                )
            ]
        return [self.warning("GPUs to spare", cause, "Those that find none aren't served: add GPUs, or lower the limit.")]

    async def _driver(self, gpus: Sequence[Gpu]) -> list[Finding]:
        if not gpus:
            return []
        driver, built = gpus[0].driver, self._torch_cuda()
        _, header = await self._smi()
        supported = _CUDA.search(header)
        if built is None or supported is None:
            return [self.unknown("driver", f"driver {driver}; whether it suits the installed PyTorch can't be told")]
        if int(supported[1]) < built[0]:
            return [
                self.problem(
                    "driver",
                    f"driver {driver} supports CUDA {supported[1]}.{supported[2]}, PyTorch is built for {built[0]}.{built[1]}",
                    f"Install a driver for CUDA {built[0]}.",
                )
            ]
        return [self.ok("driver", f"driver {driver} (CUDA {supported[1]}.{supported[2]}), PyTorch for CUDA {built[0]}.{built[1]}")]

    def _memory(self, gpus: Sequence[Gpu]) -> list[Finding]:
        if self._serving:
            return []
        return [
            self.warning(
                f"GPU {gpu.index}",
                f"{gib(gpu.used_bytes)} of {gib(gpu.total_bytes)} are in use, and no cluster runs here",
                "`nvidia-smi` shows the processes; end them, or lower gpu_memory_utilization.",
            )
            for gpu in gpus
            if gpu.used_bytes > BUSY_FRACTION * gpu.total_bytes
        ]


def gpus_wanted(config: ClusterConfig) -> float:
    """GPUs of all replicas that are started at first, of models and speech together."""
    models = sum(replicas_at_start(model) * model.world_size * model.placement.gpus_per_worker for model in config.models)
    return models + (config.speech.replicas * config.speech.num_gpus if config.speech.enabled else 0.0)


def gpus_of_merged_models(config: ClusterConfig) -> float:
    """The most that all of them can take: one replica each of the dearest of their bases."""
    bases = [model.world_size * model.placement.gpus_per_worker for model in config.models]
    return config.tuned_models.max_merged_models * max(bases, default=0.0)


def replicas_at_start(model: ModelSettings) -> int:
    return model.autoscaling.min_replicas if model.autoscaling else model.replicas


def parsed(text: str) -> list[Gpu]:
    """The answer to our query; sizes come in MiB. Raises ``ValueError``."""
    gpus = []
    for line in filter(None, map(str.strip, text.splitlines())):
        index, name, driver, total, used = (cell.strip() for cell in line.split(","))
        gpus.append(Gpu(int(index), name, driver, int(total) << 20, int(used) << 20))
    return gpus


async def nvidia_smi(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        "nvidia-smi", *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode(errors="replace")


def built_for_cuda() -> tuple[int, int] | None:
    """From PyTorch's own file: importing it would take seconds. ``None``: not installed, or built for processors."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    try:
        text = (Path(spec.origin).parent / "version.py").read_text()
    except OSError:
        return None
    version = re.search(r"^cuda[^=]*=\s*'(\d+)\.(\d+)", text, re.MULTILINE)
    return None if version is None else (int(version[1]), int(version[2]))


def _first_line(text: str) -> str:
    return next(filter(None, map(str.strip, text.splitlines())), "no output")[:200]

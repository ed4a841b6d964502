"""A cluster in this process, with one real engine that takes adapters: registry, inside and replica, without a network between."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.config.settings.database import DatabaseSettings
from cluster.config.settings.edges import AdmissionSettings
from cluster.config.settings.models import ModelSettings
from cluster.config.settings.prompt_cache import PromptCacheSettings
from cluster.config.settings.routing import RelaySettings, RoutingSettings
from cluster.config.settings.tuning import TunedModelsSettings
from cluster.engine.contract import EngineRequest, Frame
from cluster.engine.deployment import EngineReplica
from cluster.engine.vllm.engine import VllmEngine
from cluster.identity.principal import Principal
from cluster.inference.cluster_inference import ClusterInference
from cluster.inference.prefix_planner import PrefixPlanner
from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.inference.requests.completion import CompletionRequest
from cluster.inference.service import Call
from cluster.prompt_cache.salt import SaltDeriver
from cluster.relay.contract import Outlet
from cluster.routing.pending import ADAPTERS
from cluster.routing.ticket import RouteTicket
from cluster.store.database import Database
from cluster.store.objects.folder import FolderStorage
from cluster.store.schema import upgrade
from cluster.tuned.lookup import TunedLookup
from cluster.tuned.names import TunedName
from cluster.tuned.service import NewTunedModel, TunedModels
from tests.unit.inference.test_cluster_inference import Records
from tests.unit.tuned.adapters import write_adapter

ALICE = Principal("org_a", "proj_a", "key_a")
BOB = Principal("org_b", "proj_b", "key_b")
CALL = Call("http", "trace")
BASE = "tiny"
PROMPT = "the quick brown fox jumps over the lazy dog " * 30


class DirectStream:
    """A stream straight from a replica in this process."""

    def __init__(self, frames: AsyncGenerator[Frame, None]) -> None:
        self._frames = frames

    def __aiter__(self) -> AsyncIterator[Frame]:
        return self._frames

    def flow(self, outlet: Outlet) -> None:
        """Its frames are pulled."""

    async def cancel(self) -> None:
        await self._frames.aclose()


@dataclass
class DirectRelay:
    """The one replica without a network before it. Remembers what it was sent."""

    replica: EngineReplica
    requests: list[EngineRequest] = field(default_factory=list)

    def open(self, model: str, request: EngineRequest, ticket: RouteTicket) -> DirectStream:
        assert model == BASE
        ticket.replica_id = "r"
        self.requests.append(request)
        return DirectStream(self.replica._observed(request, ticket=ticket.arriving()))


@dataclass
class Cluster:
    """Registry, inside and engine of a cluster."""

    tuned: TunedModels
    inference: ClusterInference
    replica: EngineReplica
    records: Records
    folder: Path

    async def register(self, principal: Principal, seed: int, **adapter: Any) -> str:
        name = TunedName.new(BASE, principal.org_id, f"s{seed}")
        files = write_adapter(self.folder / f"adapter-{seed}", seed=seed, **adapter)
        return (await self.tuned.register(principal, NewTunedModel(name, files))).name

    async def chat(self, model: str, principal: Principal = ALICE, content: str = PROMPT) -> str:
        """The greedy answer of a model, whole."""
        fields = {"model": model, "messages": [{"role": "user", "content": content}], "temperature": 0, "max_completion_tokens": 24}
        completion = await self.inference.complete(principal, ChatCompletionRequest.parse(fields), CALL)
        body = json.loads(completion.body)
        assert body["model"] == model
        return str(body["choices"][0]["message"]["content"])

    async def chat_stream(self, model: str, principal: Principal = ALICE) -> str:
        fields = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "temperature": 0, "max_completion_tokens": 24}
        stream = await self.inference.stream(principal, ChatCompletionRequest.parse({**fields, "stream": True}), CALL)
        async with aclosing(stream):
            chunks = [json.loads(payload) async for batch in stream for payload in batch]
        assert {chunk["model"] for chunk in chunks} == {model}
        return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)

    async def complete(self, model: str, principal: Principal = ALICE) -> str:
        fields = {"model": model, "prompt": PROMPT, "temperature": 0, "max_tokens": 24}
        completion = await self.inference.complete(principal, CompletionRequest.parse(fields), CALL)
        return str(json.loads(completion.body)["choices"][0]["text"])

    @property
    def cached_tokens(self) -> int:
        """Of the last request."""
        exact = self.records.done[-1].exact
        assert exact is not None
        return exact.cached_tokens

    @property
    def held(self) -> set[bytes]:
        """What the replica tells gateways."""
        return set(self.replica.record_routing_stats().get(ADAPTERS, ()))

    async def loaded(self) -> int:
        """How many adapters vLLM itself says it holds."""
        engine = self.replica._engine
        assert isinstance(engine, VllmEngine)
        return len(await engine._llm.list_loras())


@asynccontextmanager
async def running(source: Path, folder: Path, *, max_rank: int = 8) -> AsyncIterator[Cluster]:
    """An engine of the model in ``source`` that holds one adapter at a time."""
    os.environ["OMP_NUM_THREADS"] = "1"
    url = f"sqlite+aiosqlite:///{folder / 'cluster.db'}"
    await upgrade(url)
    database = Database.open(url, DatabaseSettings())
    model = ModelSettings.model_validate(
        {
            "id": BASE,
            "source": str(source),
            "environment": {"OMP_NUM_THREADS": "1"},
            "adapters": {"enabled": True, "max_rank": max_rank, "max_running": 1, "max_loaded": 1},
            "engine": {
                "dtype": "float32",
                "enforce_eager": True,
                "block_size": 32,
                "max_model_len": 1024,
                "max_num_seqs": 8,
                "kv_cache_memory_bytes": 64 << 20,
            },
        }
    )
    storage = FolderStorage(folder / "store")
    tuned = TunedModels(database, storage, TunedModelsSettings(), {BASE: model})
    replica = EngineReplica(model, RelaySettings(), adapter_storage=storage, adapter_folder=folder / "cache")
    await replica.start()
    try:
        cache = PromptCacheSettings()
        records = Records()
        inference = ClusterInference(
            models={BASE: model},
            relay=DirectRelay(replica),
            planner=PrefixPlanner(SaltDeriver(b"s" * 32, cache), cache, RoutingSettings(), lambda _: 1),
            limit=ConcurrencyLimit(8),
            max_in_progress=8,
            recorder=records,
            admission=AdmissionSettings(),
            has_replica=lambda _: True,
            tuned=TunedLookup(tuned, 2.0),
        )
        yield Cluster(tuned, inference, replica, records, folder)
    finally:
        await replica.stop()
        await database.close()

"""A gateway with everything that it keeps for organizations, both edges on real sockets, and workers that tests start."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio

from cluster.config.settings.jobs import JobsSettings
from cluster.config.settings.models import AdapterSettings, ModelSettings
from cluster.config.settings.tuning import TuningSettings
from cluster.edges.grpc.generated.ossature.v1 import (
    chat_pb2_grpc,
    evals_pb2_grpc,
    fine_tuning_pb2_grpc,
    stored_completions_pb2_grpc,
)
from cluster.edges.grpc.servicer import GrpcEdge
from cluster.files.model import Purpose
from cluster.identity.principal import Principal
from cluster.inference.requests.limits import RequestLimits
from cluster.jobs.worker import JobWorker
from cluster.tuned.names import TunedName
from cluster.tuned.service import NewTunedModel
from cluster.tuning.handler import FineTuningHandler
from cluster.tuning.served_models import ServedModels
from tests.unit.eval_runs.bench import NoMetrics
from tests.unit.eval_runs.fake_models import FakeModels
from tests.unit.fine_tuning.conftest import QWEN3, lines
from tests.unit.fine_tuning.fake_trainer import FakePublisher, FakeTrainer
from tests.unit.grpc.messages import request
from tests.unit.grpc.plain_server import build_server
from tests.unit.storage import served as served_module
from tests.unit.storage.served import ACME, Served
from tests.unit.tuned.adapters import write_adapter

ADMIN = Principal("", "", "key_" + "d" * 32, admin=True)
MAX_MESSAGE_BYTES = 2 << 20
Metadata = tuple[tuple[str, str], ...]


def auth(key: str = "sk-acme") -> Metadata:
    return (("authorization", f"Bearer {key}"),)


AUTH = auth()


async def authenticate(secret: str, organization: str | None, project: str | None) -> Principal:
    return ADMIN if secret == "sk-admin" else await served_module.authenticate(secret, organization, project)


class Scene:
    def __init__(self, folder: Path, database: Path) -> None:
        weights = folder / "weights"
        weights.mkdir()
        (weights / "config.json").write_text(json.dumps(QWEN3))
        self.trainer = FakeTrainer()
        self.models = FakeModels()
        self.served = Served(
            folder,
            relay=self.models,
            models=[ModelSettings(id="demo", source=str(weights), adapters=AdapterSettings(enabled=True))],
            tuning=TuningSettings(enabled=True),
            working=JobsSettings(heartbeat_s=1.0, poll_interval_s=0.2, watch_interval_s=0.2, stop_grace_s=1.0, retry_delay_s=0.0),
            database_url=f"sqlite+aiosqlite:///{database}",
        )
        self.edge: GrpcEdge
        self.channel: grpc.aio.Channel
        self.address = ""

    @asynccontextmanager
    async def running(self, *, watch_s: float = 600.0, max_watches: int = 4, write_timeout_s: float = 60.0) -> AsyncIterator[Scene]:
        async with self.served.running() as served:
            self.edge = GrpcEdge(
                served.inference,
                authenticate,
                lambda: True,
                max_request_bytes=1 << 20,
                write_timeout_s=write_timeout_s,
                limits=RequestLimits(store=True),
                kept=served.storage.kept(served.inference, served.jobs),
                max_watches=max_watches,
                watch_s=watch_s,
            )
            server = build_server(self.edge, max_message_bytes=MAX_MESSAGE_BYTES)
            self.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            await server.start()
            async with grpc.aio.insecure_channel(self.address) as channel:
                self.channel = channel
                yield self
            await server.stop(0)

    # --- the services, by their stubs -------------------------------------------------------------------------------------

    @property
    def chat(self) -> chat_pb2_grpc.ChatServiceStub:
        return chat_pb2_grpc.ChatServiceStub(self.channel)

    @property
    def completions(self) -> stored_completions_pb2_grpc.StoredCompletionServiceStub:
        return stored_completions_pb2_grpc.StoredCompletionServiceStub(self.channel)

    @property
    def evals(self) -> evals_pb2_grpc.EvalServiceStub:
        return evals_pb2_grpc.EvalServiceStub(self.channel)

    @property
    def tuning(self) -> fine_tuning_pb2_grpc.FineTuningServiceStub:
        return fine_tuning_pb2_grpc.FineTuningServiceStub(self.channel)

    # --- what is there ----------------------------------------------------------------------------------------------------

    def worker(self) -> JobWorker:
        """For evals and for fine-tuning, with a trainer that trains nothing."""
        served = self.served

        async def no_sandbox() -> tuple[None, str]:
            return None, "There is no sandbox here."

        handlers: list[Any] = [
            served.storage.eval_run_handler(served.inference, no_sandbox),
            FineTuningHandler(
                served.storage.files,
                ServedModels(served.models),
                self.trainer,
                FakePublisher(),
                served.tuning,
                served.folder / "tuning",
            ),
        ]
        return JobWorker(handlers, served.database, served.working, NoMetrics())

    async def work(self) -> None:
        """Run the jobs that wait."""
        worker = self.worker()
        while await worker.run_one():
            pass

    async def upload(self, data: bytes, purpose: Purpose, principal: Principal = ACME) -> str:
        upload = await self.served.storage.files.upload(principal)
        await upload.write(data)
        return (await upload.finish(filename="rows.jsonl", purpose=purpose, expires_after_s=None)).id

    async def training_file(self, principal: Principal = ACME) -> str:
        return await self.upload(lines(), Purpose.FINE_TUNE, principal)

    async def store(self, content: str = "Hello", key: str = "sk-acme", **fields: Any) -> str:
        """Have a completion kept; its id."""
        asked = request(content, store=True, **fields)
        answer = await self.chat.CreateChatCompletion(asked, metadata=auth(key))
        assert not answer.warnings
        return str(answer.id)

    async def tuned(self, principal: Principal = ACME, suffix: str = "mine") -> str:
        assert self.served.storage.tuned is not None
        name = TunedName.new("demo", principal.org_id, suffix)
        new = NewTunedModel(name, write_adapter(self.served.folder / "adapter"))
        return (await self.served.storage.tuned.register(principal, new)).name

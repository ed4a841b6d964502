"""A gateway without Ray: the real inside, store and HTTP edge on a real socket, in front of a replica that is a load source."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import uvicorn
from openai import AsyncOpenAI
from prometheus_client import CollectorRegistry

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.config.schema import ClusterConfig
from cluster.config.settings.database import DatabaseSettings
from cluster.config.settings.edges import AdmissionSettings, HttpSettings
from cluster.config.settings.evals import EvalsSettings
from cluster.config.settings.jobs import JobsSettings
from cluster.config.settings.models import ModelSettings
from cluster.config.settings.storage import FilesSettings, StoredCompletionsSettings
from cluster.config.settings.tuning import TunedModelsSettings, TuningSettings
from cluster.edges.http.app import build_app
from cluster.edges.storage import Storage
from cluster.errors import Unauthenticated
from cluster.identity.principal import Principal
from cluster.inference.cluster_inference import ClusterInference
from cluster.inference.recorder import ClusterRecorder
from cluster.jobs.service import Jobs
from cluster.store.database import Database
from cluster.store.ledger import UsageLedger
from cluster.store.schema import upgrade
from cluster.telemetry.metrics import GatewayMetrics
from cluster.telemetry.storage_metrics import StorageMetrics
from tests.unit.http.conftest import FakeReadiness
from tests.unit.http.fakes import FakeDirectory
from tests.unit.storage.fake_relay import FakeRelay, OnePlan

ACME = Principal("org_" + "a" * 32, "proj_" + "a" * 32, "key_" + "a" * 32)
ACME_OTHER_PROJECT = Principal(ACME.org_id, "proj_" + "b" * 32, "key_" + "b" * 32)
GLOBEX = Principal("org_" + "c" * 32, "proj_" + "c" * 32, "key_" + "c" * 32)
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Made once, as a client's own would load every certificate of the machine."""

KEYS = {"sk-acme": ACME, "sk-acme-other": ACME_OTHER_PROJECT, "sk-globex": GLOBEX}


async def authenticate(secret: str | None, organization: str | None, project: str | None) -> Principal:
    if secret not in KEYS:
        raise Unauthenticated("Incorrect API key provided.")
    return KEYS[secret]


@dataclass
class Served:
    """``folder``: for the database and the files. ``database_url``: of a migrated database; unset: SQLite in the folder."""

    folder: Path
    relay: FakeRelay = field(default_factory=FakeRelay)
    completions: StoredCompletionsSettings = field(default_factory=StoredCompletionsSettings)
    files: FilesSettings = field(default_factory=FilesSettings)
    tuning: TuningSettings = field(default_factory=TuningSettings)
    tuned_models: TunedModelsSettings = field(default_factory=TunedModelsSettings)
    models: list[ModelSettings] = field(
        default_factory=lambda: [ModelSettings(id="demo", source="x"), ModelSettings(id="other", source="x")]
    )
    http: HttpSettings = field(default_factory=lambda: HttpSettings(body_timeout_s=5.0))
    evals: EvalsSettings = field(default_factory=EvalsSettings)
    working: JobsSettings = field(default_factory=lambda: JobsSettings(heartbeat_s=0.05, poll_interval_s=0.05, stop_grace_s=1.0))
    database_url: str | None = None
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    port: int = 0
    inference: ClusterInference = field(init=False)
    storage: Storage = field(init=False)
    jobs: Jobs = field(init=False)
    database: Database = field(init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, key: str = "sk-acme", *, strict: bool = True) -> AsyncOpenAI:
        """OpenAI's own client; ``strict``: it refuses answers that are not of its schema."""
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=30, _strict_response_validation=strict)

    def http_client(self, key: str = "sk-acme") -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers={"authorization": f"Bearer {key}"}, timeout=30, verify=_NO_TLS)

    def counted(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    @asynccontextmanager
    async def inside(self) -> AsyncIterator[Served]:
        """Without the edge."""
        url = self.database_url or f"sqlite+aiosqlite:///{self.folder / 'cluster.db'}"
        if self.database_url is None:
            await upgrade(url)
        config = ClusterConfig(
            models=self.models,
            data_dir=self.folder,
            http=self.http,
            stored_completions=self.completions,
            files=self.files,
            evals=self.evals,
            tuning=self.tuning,
            tuned_models=self.tuned_models,
        )
        self.database = Database.open(url, DatabaseSettings())
        self.jobs = Jobs(self.database, self.working)
        self.storage = Storage(config, self.database, StorageMetrics(registry=self.registry))
        ledger = UsageLedger(self.database, self.storage.commits)
        await ledger.start()
        self.storage.start()
        metrics = GatewayMetrics(["demo", "other"], registry=self.registry)
        self.inference = ClusterInference(
            models={model.id: model for model in config.models},
            relay=self.relay,
            planner=OnePlan(),
            limit=ConcurrencyLimit(500),
            max_in_progress=1000,
            recorder=ClusterRecorder(metrics, ledger, lambda model: 0),
            admission=AdmissionSettings(),
            has_replica=lambda model: True,
            keeper=self.storage.keeper,
            tuned=self.storage.tuned_lookup(),
        )
        try:
            yield self
        finally:
            await asyncio.gather(ledger.close(), self.storage.close())
            await self.database.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Served]:
        async with self.inside():
            app = build_app(
                inference=self.inference,
                authenticate=authenticate,
                directory=FakeDirectory(),
                settings=self.http,
                readiness=FakeReadiness,
                status=_no_status,
                stored=self.storage.stored_endpoints(),
                files=self.storage.file_endpoints(),
                evals=self.storage.eval_endpoints(self.inference, self.jobs),
                fine_tuning=self.storage.fine_tuning_endpoints(),
            )
            server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=1))
            # asyncio turns Nagle's algorithm off only for sockets that name their protocol; uvicorn's own do not.
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started:  # noqa: ASYNC110 - uvicorn offers nothing else to wait for
                await asyncio.sleep(0.005)
            try:
                yield self
            finally:
                server.should_exit = True
                await serving


async def _no_status(principal: Principal) -> dict[str, object]:
    return {}

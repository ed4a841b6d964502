"""What a gateway keeps for organizations, put together: stored completions, files, evals and tuned models."""

from __future__ import annotations

import asyncio

from cluster.completions.keeper import CompletionKeeper
from cluster.completions.purge import RetentionPurger
from cluster.completions.service import StoredCompletions
from cluster.completions.stored_usage import StoredUsage
from cluster.config.schema import ClusterConfig
from cluster.edges.grpc.methods import Kept
from cluster.edges.http.eval_runs import EvalRunEndpoints
from cluster.edges.http.evals import EvalEndpoints
from cluster.edges.http.files import FileEndpoints
from cluster.edges.http.fine_tuning import FineTuningEndpoints
from cluster.edges.http.stored_completions import StoredCompletionEndpoints
from cluster.evals.building import FindSandbox, SandboxOnce
from cluster.evals.eval_service import Evals
from cluster.evals.runs.handler import EvalRunHandler
from cluster.evals.runs.purge import RunPurger
from cluster.evals.runs.run_service import EvalRuns
from cluster.evals.runs.run_table import RunTable
from cluster.evals.runs.sources import Sources
from cluster.files.service import Files
from cluster.files.sweeper import FileSweeper
from cluster.inference.service import Inference
from cluster.jobs.service import Jobs
from cluster.store.database import Database
from cluster.store.group_commit import GroupCommit
from cluster.store.objects.opening import open_storage
from cluster.store.tables import StoredCompletionRow, StoredCompletionTagRow, UsageRow
from cluster.telemetry.storage_metrics import StorageMetrics
from cluster.tuned.lookup import TunedLookup
from cluster.tuned.places import TunedPlaces
from cluster.tuned.service import TunedModels
from cluster.tuning.checkpoints import Checkpoints
from cluster.tuning.served_models import ServedModels
from cluster.tuning.service import FineTuning

_COMPLETION_TABLES = (StoredCompletionRow, StoredCompletionTagRow)


class Storage:
    """``commits`` is the ledger's writer as well: a completion is on disk in the transaction of its request's usage.

    ``keeper`` is ``None`` where completions are not kept. What was kept before can be listed, exported and deleted all the same,
    until it is past its retention.
    """

    def __init__(self, config: ClusterConfig, database: Database, metrics: StorageMetrics) -> None:
        """Raises ``ValueError`` or ``ImportError`` when the files' storage can't be opened."""
        self._config = config
        self._database = database
        completions = config.stored_completions
        self.commits = GroupCommit(database, [UsageRow, *_COMPLETION_TABLES])
        self._large_commits = GroupCommit(database, _COMPLETION_TABLES)
        self.usage = StoredUsage(database, completions)
        self.keeper = (
            CompletionKeeper(self.commits, self._large_commits, self.usage, completions, metrics) if completions.enabled else None
        )
        self._purger = RetentionPurger(database, completions, metrics)
        self._run_purger = RunPurger(database, config.evals)
        self.completions = StoredCompletions(database, completions)
        storage = open_storage(config.files.storage_url, config.data_dir / "files")
        self.files = Files(database, storage, config.files, metrics)
        self._sweeper = FileSweeper(database, storage, config.files, metrics)
        self.tuned = self._tuned_models(database)

    def stored_endpoints(self) -> StoredCompletionEndpoints:
        return StoredCompletionEndpoints(self.completions, self.files, keeping=self.keeper is not None)

    def file_endpoints(self) -> FileEndpoints:
        return FileEndpoints(self.files, self._config.files, self._config.http.body_timeout_s)

    def eval_endpoints(self, inference: Inference, jobs: Jobs) -> tuple[EvalEndpoints, EvalRunEndpoints]:
        evals, runs = self.evals(inference, jobs)
        return EvalEndpoints(evals, runs, self._config.http), EvalRunEndpoints(runs, self._config.http)

    def evals(self, inference: Inference, jobs: Jobs) -> tuple[Evals, EvalRuns]:
        evals = Evals(self._database, inference, self._config.evals)
        return evals, EvalRuns(self._database, evals, jobs, self.files, inference, self._config.evals)

    def eval_run_handler(self, inference: Inference, sandbox: FindSandbox | None = None) -> EvalRunHandler:
        """What runs evals, for a worker of jobs. ``sandbox``: for graders in Python; unset: probed when one is needed."""
        settings = self._config.evals
        return EvalRunHandler(
            RunTable(self._database),
            Evals(self._database, inference, settings),
            Sources(self.files, self.completions, settings),
            inference,
            settings,
            sandbox if sandbox is not None else SandboxOnce(settings),
        )

    def fine_tuning_endpoints(self) -> FineTuningEndpoints:
        return FineTuningEndpoints(self.fine_tuning(Jobs(self._database, self._config.jobs)))

    def fine_tuning(self, jobs: Jobs) -> FineTuning:
        """Where nothing is set up to train it creates no jobs, and shows those that there are."""
        merging = self._config.tuned_models.max_merged_models > 0
        models = ServedModels(self._config.models, merging=merging) if self._config.tuning.enabled else None
        return FineTuning(jobs, self.files, Checkpoints(self._database), models)

    def kept(self, inference: Inference, jobs: Jobs) -> Kept:
        """All of it, for the gRPC edge."""
        evals, runs = self.evals(inference, jobs)
        return Kept(self.completions, evals, runs, self.fine_tuning(jobs))

    def tuned_lookup(self) -> TunedLookup | None:
        """``None`` where no model takes adapters and none is served merged."""
        return TunedLookup(self.tuned, self._config.tuned_models.lookup_lifetime_s) if self.tuned is not None else None

    def _tuned_models(self, database: Database) -> TunedModels | None:
        config = self._config
        if not config.tuned_models.max_merged_models and not any(model.adapters.enabled for model in config.models):
            return None
        places = TunedPlaces.of(config)
        storage = open_storage(places.storage_url, places.default_folder)
        return TunedModels(database, storage, config.tuned_models, {model.id: model for model in config.models})

    def start(self) -> None:
        self.commits.start()
        self._large_commits.start()
        self.usage.start()
        self._purger.start()
        self._run_purger.start()
        self._sweeper.start()
        if self.tuned is not None:
            self.tuned.start()

    async def close(self) -> None:
        """Write what waits, and end. Idempotent."""
        await asyncio.gather(self.usage.close(), self._purger.close(), self._run_purger.close(), self._sweeper.close())
        if self.tuned is not None:
            await self.tuned.close()
        await asyncio.gather(self.commits.close(), self._large_commits.close())

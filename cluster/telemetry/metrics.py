"""What the rest of the cluster calls to be counted: one object in a gateway process, one in an engine process.

Nothing here costs per token: a request makes about ten updates of a few microseconds each, at its start, first token and end.
Make at most one object of a class in a process, before anything else there creates metrics (an engine, above all).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from cluster.telemetry import catalog, labels, multiprocess
from cluster.telemetry.instruments import Family, counter, gauge, histogram


class TokenCounts(Protocol):
    """Exact token counts of a request, as the engine reports them."""

    @property
    def prompt_tokens(self) -> int: ...

    @property
    def cached_tokens(self) -> int: ...

    @property
    def completion_tokens(self) -> int: ...


@dataclass(frozen=True, slots=True)
class _Route:
    """The instruments of one model and edge."""

    model: str
    edge: str
    in_flight: Gauge
    ttft: Histogram
    tpot: Histogram
    duration: Histogram
    queue: Histogram


class GatewayMetrics:
    """Counts requests at a gateway. Arguments named ``…_s`` are seconds; unknown models, edges and codes are counted as such.

    Every ``request_started`` needs exactly one ``request_finished``. Requests that end before that (refused, malformed) are
    ``request_rejected`` if their organization is known, else ``error``. A failure is reported by one of the three, never by two.
    """

    def __init__(self, models: Iterable[str], *, max_organizations: int = 1000, registry: CollectorRegistry = REGISTRY) -> None:
        """``models``: ids of all configured models."""
        multiprocess.install()
        self._models = frozenset(models)
        self._names = self._models | labels.SPEECH_SERVICES
        self._organizations = labels.OrganizationLabels(max_organizations, multiprocess.directory_from_environment())
        self._codes = labels.error_codes() | {labels.OK, labels.CANCELLED}
        self._requests = Family(counter(catalog.requests.REQUESTS, registry))
        self._tokens = Family(counter(catalog.requests.TOKENS, registry))
        self._ttft = Family(histogram(catalog.requests.TTFT, registry))
        self._tpot = Family(histogram(catalog.requests.TPOT, registry))
        self._duration = Family(histogram(catalog.requests.DURATION, registry))
        self._queue = Family(histogram(catalog.requests.QUEUE, registry))
        self._decision = Family(histogram(catalog.routing.DECISION, registry))
        self._affinity = Family(counter(catalog.routing.AFFINITY, registry))
        self._rank = Family(histogram(catalog.routing.RANK, registry))
        self._forced_off = Family(counter(catalog.routing.FORCED_OFF, registry))
        self._predicted = Family(counter(catalog.routing.PREDICTED_TOKENS, registry))
        self._index_entries = Family(gauge(catalog.routing.INDEX_ENTRIES, registry))
        self._index_bytes = Family(gauge(catalog.routing.INDEX_BYTES, registry))
        self._in_flight = Family(gauge(catalog.requests.IN_FLIGHT, registry))
        self._errors = Family(counter(catalog.requests.ERRORS, registry))
        self._retries = Family(counter(catalog.requests.RETRIES, registry))
        self._disconnects = Family(counter(catalog.requests.DISCONNECTS, registry))
        self._replicas_ready = Family(gauge(catalog.engines.REPLICAS_READY, registry))
        self._ledger_write = histogram(catalog.requests.LEDGER_WRITE, registry)
        self._ledger_late = gauge(catalog.requests.LEDGER_LATE, registry)
        self._auth_failures = Family(counter(catalog.requests.AUTH_FAILURES, registry))
        # What a request needs of them, looked up once: by what its caller gave as model and edge, known ones only, and by labels.
        self._routes: dict[tuple[str, str], _Route] = {}
        self._token_counters: dict[tuple[str, str, str], tuple[Counter, ...]] = {}
        self._create_known()

    def _create_known(self) -> None:
        """Series that are known beforehand start at 0, so that their first increase is one (``rate`` needs two points)."""
        for family in (self._ttft, self._tpot, self._duration, self._queue):
            family.create(self._models, labels.EDGES)
        for per_model in (self._decision, self._rank, self._forced_off):
            per_model.create(self._models)
        self._in_flight.create(self._models, labels.EDGES)
        self._replicas_ready.create(self._models)
        self._index_entries.create(self._models)
        self._index_bytes.create(self._models)
        self._affinity.create(self._models, labels.AFFINITIES)
        self._retries.create(self._models, labels.RETRY_REASONS)
        self._predicted.create(self._models, labels.PREDICTIONS)
        self._errors.create([labels.INTERNAL_ERROR], labels.EDGES, [*self._models, labels.UNKNOWN])
        self._disconnects.create(labels.EDGES)
        self._auth_failures.create(labels.AUTH_REASONS)

    # --- one request ------------------------------------------------------------------------------------------------------

    def request_started(self, org_id: str, model: str, edge: str) -> None:
        """An authenticated request for a model is worked on from now."""
        self._route(model, edge).in_flight.inc()
        self._organizations.label(org_id)  # takes its place now, not in the middle of the answer

    def first_token(self, model: str, edge: str, seconds: float) -> None:
        """The first piece of an answer has come, ``seconds`` after the request arrived."""
        self._route(model, edge).ttft.observe(seconds)

    def request_finished(
        self,
        org_id: str,
        model: str,
        edge: str,
        code: str,
        *,
        duration_s: float,
        usage: TokenCounts | None = None,
        shown_cached_tokens: int = 0,
        tpot_s: float | None = None,
        queue_s: float | None = None,
    ) -> None:
        """A started request has ended. ``code``: ``ok``, ``cancelled``, or the error's (``labels.code_of``), then an error too."""
        route = self._route(model, edge)
        org = self._organizations.label(org_id)
        route.in_flight.dec()
        self._count(org, route.model, route.edge, code)
        route.duration.observe(duration_s)
        if tpot_s is not None:
            route.tpot.observe(tpot_s)
        if queue_s is not None:
            route.queue.observe(queue_s)
        if usage is not None:
            counts = (usage.prompt_tokens, usage.cached_tokens, shown_cached_tokens, usage.completion_tokens)
            for tokens, count in zip(self._tokens_of(org, route), counts, strict=True):
                if count:  # most prompts have none cached
                    tokens.inc(count)

    def request_rejected(self, org_id: str, model: str | None, edge: str, code: str) -> None:
        """An authenticated request was refused before it was started."""
        self._count(self._organizations.label(org_id), self._model(model), self._edge(edge), code)

    def _count(self, org: str, model: str, edge: str, code: str) -> None:
        code = labels.known(code, self._codes)
        self._requests(org, model, edge, code).inc()
        if code not in (labels.OK, labels.CANCELLED):
            self._errors(code, edge, model).inc()

    # --- events -----------------------------------------------------------------------------------------------------------

    def error(self, edge: str, model: str | None, code: str) -> None:
        """An error was sent to a caller whose organization is not known."""
        self._errors(labels.known(code, self._codes), self._edge(edge), self._model(model)).inc()

    def routed(self, model: str, affinity: str, rank: int | None, decision_s: float, *, forced_off: bool = False) -> None:
        """The router has chosen. ``affinity``: ``home``, ``known``, ``spilled``, ``none``; ``rank``: place in the order of homes,

        from 0; ``forced_off``: load kept the request from the replica that holds most of its prompt.
        """
        model = self._model(model)
        self._affinity(model, labels.known(affinity, labels.AFFINITIES, "none")).inc()
        self._decision(model).observe(decision_s)
        if rank is not None:
            self._rank(model).observe(rank)
        if forced_off:
            self._forced_off(model).inc()

    def routing_memory(self, model: str, *, entries: int, size_bytes: int) -> None:
        """How much the gateway's router of a model remembers now."""
        model = self._model(model)
        self._index_entries(model).set(entries)
        self._index_bytes(model).set(size_bytes)

    def cached_tokens(self, model: str, *, predicted: int, actual: int) -> None:
        """How many cached tokens the router expected of a request, and how many the engine found."""
        model = self._model(model)
        self._predicted(model, "predicted").inc(predicted)
        self._predicted(model, "actual").inc(actual)

    def retried(self, model: str, reason: str) -> None:
        """A request goes to another replica. ``reason``: ``replica_lost`` (it is gone) or ``engine_dead`` (it said so)."""
        self._retries(self._model(model), labels.known(reason, labels.RETRY_REASONS)).inc()

    def client_gone(self, edge: str) -> None:
        """A client went away before its answer was complete."""
        self._disconnects(self._edge(edge)).inc()

    def auth_failed(self, reason: str) -> None:
        """A key was refused. ``reason``: one of ``labels.AUTH_REASONS``."""
        self._auth_failures(labels.known(reason, labels.AUTH_REASONS)).inc()

    def ledger_written(self, seconds: float) -> None:
        """A row of the usage ledger was written."""
        self._ledger_write.observe(seconds)

    def ledger_rows_late(self, waiting: int) -> None:
        """So many rows of the usage ledger wait in this process for the database."""
        self._ledger_late.set(waiting)

    # --- states -----------------------------------------------------------------------------------------------------------

    def replicas_ready(self, model: str, count: int) -> None:
        """How many replicas of the model the router may choose now."""
        self._replicas_ready(self._model(model)).set(count)

    def _route(self, model: str, edge: str) -> _Route:
        route = self._routes.get((model, edge))
        if route is None:
            known = (self._model(model), self._edge(edge))
            route = _Route(
                *known,
                in_flight=self._in_flight(*known),
                ttft=self._ttft(*known),
                tpot=self._tpot(*known),
                duration=self._duration(*known),
                queue=self._queue(*known),
            )
            if known == (model, edge):  # what callers make up isn't remembered
                self._routes[known] = route
        return route

    def _tokens_of(self, org: str, route: _Route) -> tuple[Counter, ...]:
        """Of the kinds of ``labels.TOKEN_KINDS``."""
        key = (org, route.model, route.edge)
        counters = self._token_counters.get(key)
        if counters is None:
            counters = self._token_counters[key] = tuple(self._tokens(*key, kind) for kind in labels.TOKEN_KINDS)
        return counters

    def _model(self, model: str | None) -> str:
        return labels.known(model, self._names, labels.UNKNOWN)

    @staticmethod
    def _edge(edge: str) -> str:
        return labels.known(edge, labels.EDGES)


class EngineMetrics:
    """What an engine process counts beside the engine's own metrics."""

    def __init__(self, models: Iterable[str], *, registry: CollectorRegistry = REGISTRY) -> None:
        """``models``: ids of the models that this process serves."""
        multiprocess.install()
        self._models = frozenset(models)
        self._cross_org_hits = Family(counter(catalog.routing.CROSS_ORG_HITS, registry))
        self._judged = Family(counter(catalog.routing.ISOLATION_JUDGED, registry))
        self._deaths = Family(counter(catalog.engines.ENGINE_DEATHS, registry))
        self._streams = Family(counter(catalog.engines.ENGINE_STREAMS, registry))
        self._cold_start = Family(gauge(catalog.engines.COLD_START, registry))
        self._adapter_load = Family(histogram(catalog.engines.ADAPTER_LOAD, registry))
        self._adapter_failures = Family(counter(catalog.engines.ADAPTER_FAILURES, registry))
        self._adapters_held = Family(gauge(catalog.engines.ADAPTERS_HELD, registry))
        self._adapter_bytes = Family(gauge(catalog.engines.ADAPTER_BYTES, registry))
        for counted in (self._cross_org_hits, self._judged, self._deaths, self._adapter_failures):
            counted.create(self._models)
        self._streams.create(self._models, labels.FRONT_ENDS)
        self._cold_start.create(self._models, labels.COLD_START_PHASES)

    def cross_org_hit(self, model: str) -> None:
        """A cached prefix of one organization was used for another: isolation is broken."""
        self._cross_org_hits(labels.known(model, self._models, labels.UNKNOWN)).inc()

    def isolation_judged(self, model: str) -> None:
        """A request was checked for a cross-organization hit."""
        self._judged(labels.known(model, self._models, labels.UNKNOWN)).inc()

    def engine_died(self, model: str) -> None:
        """The engine of this process can't generate any more."""
        self._deaths(labels.known(model, self._models, labels.UNKNOWN)).inc()

    def stream_begun(self, model: str, front_end: str) -> None:
        """A streamed answer was accepted. ``front_end``: one of ``labels.FRONT_ENDS``."""
        front_end = labels.known(front_end, labels.FRONT_ENDS)
        self._streams(labels.known(model, self._models, labels.UNKNOWN), front_end).inc()

    def cold_start_phase(self, model: str, phase: str, seconds: float) -> None:
        """A phase of the start is over. ``phase``: one of ``labels.COLD_START_PHASES``."""
        phase = labels.known(phase, labels.COLD_START_PHASES)
        self._cold_start(labels.known(model, self._models, labels.UNKNOWN), phase).set(seconds)

    def adapter_loaded(self, model: str, seconds: float) -> None:
        """An engine has loaded an adapter from its replica's disk."""
        self._adapter_load(labels.known(model, self._models, labels.UNKNOWN)).observe(seconds)

    def adapter_failed(self, model: str) -> None:
        """A request could not be answered for want of its adapter."""
        self._adapter_failures(labels.known(model, self._models, labels.UNKNOWN)).inc()

    def adapters_held(self, model: str, count: int) -> None:
        """How many adapters this replica's engine holds now."""
        self._adapters_held(labels.known(model, self._models, labels.UNKNOWN)).set(count)

    def adapter_files(self, model: str, size_bytes: int) -> None:
        """How much of its disk the adapters of this replica take now."""
        self._adapter_bytes(labels.known(model, self._models, labels.UNKNOWN)).set(size_bytes)

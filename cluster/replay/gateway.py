"""One simulated gateway: the planner's memory, the fleet as it knows it, and a policy, put together as in the real one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cluster.replay.engine import Job
from cluster.replay.workload import SimulatedRequest
from cluster.routing.anchors import AnchorChooser, estimated_tokens
from cluster.routing.fleet import Fleet
from cluster.routing.policy import Policy
from cluster.routing.residency.table import ResidencyTable
from cluster.routing.ticket import Answer, RouteTicket

MODEL = "model"


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """The settings of ``routing`` that matter here, with their defaults. ``residency``: what this gateway is told of caches."""

    min_affinity_tokens: int = 1024
    block_bytes: int = 512
    index_entries: int = 200_000
    slow_start_s: float = 30.0
    load_factor: float = 1.25
    recompute_weight: float = 2.0
    index: Literal["soft", "precise"] = "soft"
    residency: ResidencyTable | None = None


class SimulatedGateway:
    def __init__(self, policy: Policy, settings: GatewaySettings) -> None:
        self.policy = policy
        self.fleet = Fleet(settings.slow_start_s)
        self._settings = settings
        self._anchors = AnchorChooser(settings.index_entries, settings.min_affinity_tokens, settings.block_bytes)

    def ticket(self, request: SimulatedRequest, chain: tuple[bytes, ...], excluded: frozenset[str]) -> RouteTicket:
        """As ``RoutePlanner`` makes it, but for the hashing."""
        length = request.prompt_bytes
        if estimated_tokens(length) < self._settings.min_affinity_tokens:
            return RouteTicket(prompt_bytes=length, org=request.org, excluded=excluded)
        anchor = self._anchors.choose(request.org, MODEL, chain, len(self.fleet.seats))
        return RouteTicket(anchor=anchor, chain=chain, prompt_bytes=length, org=request.org, excluded=excluded)

    def order(self, ticket: RouteTicket, now_s: float) -> list[str]:
        """Replica ids in the order in which to try them."""
        return [candidate.replica_id for candidate in self.policy.choose(ticket, self.fleet.refresh(now_s), now_s)]

    def accepted(self, ticket: RouteTicket, replica_id: str, ongoing: int, now_s: float) -> None:
        """A replica took the request and told how many it has now."""
        ticket.routed_to(replica_id)
        self.fleet.sent(replica_id)
        self.fleet.reported(replica_id, ongoing, now_s)
        self.policy.routed(ticket, replica_id, now_s)

    def first_token(self, ticket: RouteTicket, now_s: float) -> None:
        self.policy.first_token(ticket, now_s)

    def finished(self, ticket: RouteTicket, job: Job | None, now_s: float) -> None:
        """The request has ended; ``None`` if its replica died."""
        assert ticket.replica_id is not None
        self.fleet.ended(ticket.replica_id)
        answer = None
        if job is not None:
            answer = Answer(
                prompt_tokens=job.request.input_tokens,
                cached_tokens=job.cached_tokens,
                queue_s=job.scheduled_s - job.enqueued_s,
                prefill_s=job.first_token_s - job.scheduled_s,
                completion_tokens=job.request.output_tokens,
                decode_s=now_s - job.first_token_s,
            )
        self.policy.finished(ticket, answer, now_s)

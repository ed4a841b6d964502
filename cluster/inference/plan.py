"""What a request becomes before it is sent: its cache salt, the organization's tag, and its routing ticket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cluster.identity.principal import Principal
from cluster.inference.requests import GenerationRequest
from cluster.routing.ticket import RouteTicket


@dataclass(frozen=True, slots=True)
class Plan:
    """``cache_salt`` and ``org_tag`` go to the engine. ``ticket`` makes a fresh routing ticket for each attempt,

    in ``org``'s share of the routers' memory. ``streamed``: the answer comes piece by piece. ``adapter``: tag of the adapter
    that it needs, if any.
    """

    cache_salt: str
    org_tag: str
    anchor: bytes
    chain: tuple[bytes, ...]
    prompt_bytes: int
    org: str = ""
    streamed: bool = True
    adapter: bytes = b""

    def ticket(self, excluded: frozenset[str]) -> RouteTicket:
        return RouteTicket(
            anchor=self.anchor,
            chain=self.chain,
            prompt_bytes=self.prompt_bytes,
            excluded=excluded,
            streamed=self.streamed,
            org=self.org,
            adapter=self.adapter,
        )


class Planner(Protocol):
    async def plan(self, principal: Principal, request: GenerationRequest, *, base_model: str | None = None) -> Plan:
        """The salt and the anchor come from the principal's organization and the prompt, never from a caller's field.

        ``base_model``: whose replicas answer with the tuned model that the request names; ``None``: it names one of the cluster's.
        """
        ...

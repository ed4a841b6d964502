"""The planner of the cluster: salt and route from the principal's organization and the prompt's prefix."""

from __future__ import annotations

from collections.abc import Callable

from cluster.config.settings.prompt_cache import PromptCacheSettings
from cluster.config.settings.routing import RoutingSettings
from cluster.identity.principal import Principal
from cluster.inference.plan import Plan
from cluster.inference.requests import GenerationRequest
from cluster.prompt_cache.salt import SaltDeriver
from cluster.routing.adapters import adapter_tag
from cluster.routing.planner import RoutePlanner


class PrefixPlanner:
    """Implements :class:`~cluster.inference.plan.Planner`. One for each gateway, used on its event loop."""

    def __init__(
        self, salts: SaltDeriver, cache: PromptCacheSettings, routing: RoutingSettings, replica_count: Callable[[str], int]
    ) -> None:
        """``replica_count``: how many replicas of a model can be reached now."""
        self._salts = salts
        self._default_retention = cache.default_retention
        self._routes = RoutePlanner(routing)
        self._replica_count = replica_count

    def remembered_blocks(self, model: str) -> int:
        """Blocks of a model's prompts that are remembered for choosing anchors."""
        return self._routes.remembered_blocks(model)

    async def plan(self, principal: Principal, request: GenerationRequest, *, base_model: str | None = None) -> Plan:
        # A tuned model's keys and values are its own: its name is in the salt, and its chain meets no other model's.
        org_id, model = principal.org_id, request.model
        served, adapter = (model, None) if base_model is None else (base_model, model)
        retention = request.prompt_cache_retention or self._default_retention
        canonical = request.canonical_prompt()
        salt = self._salts.salt(org_id, model, retention, self._salts.anchor_of(org_id, canonical), request.client_cache_salt)
        root_key = self._salts.routing_key(org_id, retention, request.client_cache_salt, request.prompt_cache_key)
        ticket = await self._routes.plan(root_key, org_id, served, adapter, canonical, self._replica_count(served))
        return Plan(
            cache_salt=salt,
            org_tag=self._salts.org_tag(org_id),
            anchor=ticket.anchor,
            chain=ticket.chain,
            prompt_bytes=ticket.prompt_bytes,
            org=org_id,
            streamed=request.stream,
            adapter=b"" if adapter is None else adapter_tag(adapter),
        )

"""From a request's canonical prompt to its route ticket: the gateway's one call into routing."""

from __future__ import annotations

from cluster.config.settings.routing import RoutingSettings
from cluster.routing.anchors import AnchorChooser, estimated_tokens
from cluster.routing.chain import prefix_chain_offloaded
from cluster.routing.ticket import RouteTicket


class RoutePlanner:
    """Makes tickets. One per gateway, used on its event loop. Each model's prompts have a memory of their own."""

    def __init__(self, settings: RoutingSettings) -> None:
        self._settings = settings
        self._anchors: dict[str, AnchorChooser] = {}  # by model

    def remembered_blocks(self, model: str) -> int:
        """Prefix blocks of a model's prompts in memory, at most ``index_entries``; ``anchors.ENTRY_BYTES`` each."""
        anchors = self._anchors.get(model)
        return anchors.entries if anchors is not None else 0

    async def plan(
        self, root_key: bytes, org: str, model: str, adapter: str | None, canonical: bytes, replicas: int
    ) -> RouteTicket:
        """The ticket of a request for one of the cluster's models whose canonical prompt is ``canonical``.

        ``root_key`` is ``SaltDeriver.routing_key``; ``org`` names the organization whose share of the memory is used;
        ``replicas`` is how many the model has. Prompts under ``min_affinity_tokens`` get no anchor: prefilling them costs less
        than waiting at a busier replica.
        """
        if estimated_tokens(len(canonical)) < self._settings.min_affinity_tokens:
            return RouteTicket(prompt_bytes=len(canonical), org=org)
        chain = await prefix_chain_offloaded(root_key, model, adapter, canonical, self._settings.block_bytes)
        anchor = self._chooser(model).choose(org, model, chain, replicas)
        return RouteTicket(anchor=anchor, chain=chain, prompt_bytes=len(canonical), org=org)

    def _chooser(self, model: str) -> AnchorChooser:
        chooser = self._anchors.get(model)
        if chooser is None:
            settings = self._settings
            chooser = AnchorChooser(settings.index_entries, settings.min_affinity_tokens, settings.block_bytes)
            self._anchors[model] = chooser
        return chooser

"""Where requests are sent, what is believed to be cached where, and that nobody finds what is another organization's."""

from __future__ import annotations

from cluster.telemetry.catalog.buckets import DECISION_BUCKETS, RANK_BUCKETS
from cluster.telemetry.definition import Kind, Metric, Source

DECISION = Metric(
    "ossature_routing_decision_duration_seconds",
    Kind.HISTOGRAM,
    Source.GATEWAY,
    "Time that the router took to choose a replica.",
    labels=("model",),
    unit="seconds",
    buckets=DECISION_BUCKETS,
    example="histogram_quantile(0.99, sum by (le) (rate(ossature_routing_decision_duration_seconds_bucket[5m])))",
)
AFFINITY = Metric(
    "ossature_affinity_outcomes_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Routed requests by how they met the home of their prefix: `home`, `known` (a later replica of the same order "
    "that holds it), `spilled` (one that does not), `none` (no affinity wanted).",
    labels=("model", "outcome"),
    example='sum by (model) (rate(ossature_affinity_outcomes_total{outcome="spilled"}[5m]))',
)
RANK = Metric(
    "ossature_affinity_rank",
    Kind.HISTOGRAM,
    Source.GATEWAY,
    "Place of the chosen replica in the prefix's fixed order of homes; 0 is the first home.",
    labels=("model",),
    buckets=RANK_BUCKETS,
    example="histogram_quantile(0.9, sum by (le, model) (rate(ossature_affinity_rank_bucket[15m])))",
)
FORCED_OFF = Metric(
    "ossature_affinity_forced_off_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Requests that load kept from the replica that holds most of their prompt (1,024 tokens or more): affinity pressure, a "
    "reason to add replicas.",
    labels=("model",),
    example="sum by (model) (rate(ossature_affinity_forced_off_total[5m]))",
)
PREDICTED_TOKENS = Metric(
    "ossature_routing_cached_tokens_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Cached prompt tokens of answered requests that had an anchor: `predicted` by the router when it chose, and `actual` by the "
    "engine. They should grow alike.",
    labels=("model", "kind"),
    example='sum by (model) (rate(ossature_routing_cached_tokens_total{kind="actual"}[5m]))',
)
INDEX_ENTRIES = Metric(
    "ossature_routing_index_entries",
    Kind.GAUGE,
    Source.GATEWAY,
    "What gateways remember for routing: blocks of prompts to choose anchors by, who holds which block, marks told by replicas, "
    "and popular prefixes; the sum of the node's gateways. Bounded for each gateway and model by twice `routing.index_entries` and "
    "five sixteenths of it for marks and popularity.",
    labels=("model",),
    combine="livesum",
    example="sum by (model) (ossature_routing_index_entries)",
)
INDEX_BYTES = Metric(
    "ossature_routing_index_bytes",
    Kind.GAUGE,
    Source.GATEWAY,
    "Memory that this takes, estimated from the size of an entry.",
    labels=("model",),
    combine="livesum",
    unit="bytes",
    example="sum by (model) (ossature_routing_index_bytes)",
)
CROSS_ORG_HITS = Metric(
    "ossature_cross_org_hits_total",
    Kind.COUNTER,
    Source.ENGINE,
    "Prefix-cache blocks of one organization that met a request of another. Exists to be zero: alert on any increase.",
    labels=("model",),
    example="increase(ossature_cross_org_hits_total[1h]) > 0",
)
ISOLATION_JUDGED = Metric(
    "ossature_isolation_judged_total",
    Kind.COUNTER,
    Source.ENGINE,
    "Requests that were the first of their organization and salt on an engine, and so were checked for a cross-organization hit.",
    labels=("model",),
    example="increase(ossature_cross_org_hits_total[1h]) / increase(ossature_isolation_judged_total[1h])",
)
KV_EVENTS = Metric(
    "ossature_kv_events_total",
    Kind.COUNTER,
    Source.ENGINE,
    "Blocks of the prefix cache that engines told of (`routing.index: precise`), each cache group by itself: `stored`, `removed`; "
    "`cleared` counts whole caches.",
    labels=("model", "kind"),
    at_start=False,
    example='sum by (model) (rate(ossature_kv_events_total{kind="removed"}[5m]))',
)
KV_FEED = Metric(
    "ossature_kv_event_gaps_total",
    Kind.COUNTER,
    Source.ENGINE,
    "Missing events of engines: each `gap` ends with a `replay`, or with a `reset`, after which gateways are left to belief.",
    labels=("model", "outcome"),
    at_start=False,
    example='increase(ossature_kv_event_gaps_total{outcome="reset"}[1h]) > 0',
)
KV_RESIDENT_BLOCKS = Metric(
    "ossature_kv_resident_blocks",
    Kind.GAUGE,
    Source.ENGINE,
    "Blocks that the node's engines have cached, as their events tell it; 0 while that is not known.",
    labels=("model",),
    at_start=False,
    example="sum by (model) (ossature_kv_resident_blocks)",
)
KV_RESIDENT_HASHES = Metric(
    "ossature_kv_resident_hashes",
    Kind.GAUGE,
    Source.ENGINE,
    "Hashes of prompts' prefix chains that end on these blocks, at most `routing.index_entries` for each replica.",
    labels=("model",),
    at_start=False,
    example="sum by (model) (ossature_kv_resident_hashes)",
)
RESIDENCY_REPLICAS = Metric(
    "ossature_residency_replicas",
    Kind.GAUGE,
    Source.GATEWAY,
    "Replicas that have told the node's gateways all that they have cached, added up over the gateways.",
    example="sum(ossature_residency_replicas)",
)
RESIDENCY_HASHES = Metric(
    "ossature_residency_hashes",
    Kind.GAUGE,
    Source.GATEWAY,
    "Prefix hashes that the node's gateways were told of, about 420 bytes each, at most `routing.index_entries` a gateway.",
    example="sum(ossature_residency_hashes)",
)
RESIDENCY_GAPS = Metric(
    "ossature_residency_gaps_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Reports of replicas that came without the one before; what is missing is asked for.",
    example="increase(ossature_residency_gaps_total[1h]) > 0",
)

ALL: tuple[Metric, ...] = (
    DECISION,
    AFFINITY,
    RANK,
    FORCED_OFF,
    PREDICTED_TOKENS,
    INDEX_ENTRIES,
    INDEX_BYTES,
    CROSS_ORG_HITS,
    ISOLATION_JUDGED,
    KV_EVENTS,
    KV_FEED,
    KV_RESIDENT_BLOCKS,
    KV_RESIDENT_HASHES,
    RESIDENCY_REPLICAS,
    RESIDENCY_HASHES,
    RESIDENCY_GAPS,
)

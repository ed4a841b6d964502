"""The prompt cache, its isolation between organizations, and the routing that makes it hit."""

from __future__ import annotations

from deploy.monitoring.panels import Board, Color, Look, Panel, Query, Row, Step, Unit, number, quantiles, rates, share, worse_above

_PROMPT = 'ossature_tokens_total{kind="prompt"}'
_CACHED = 'ossature_tokens_total{kind="cached"}'
_PRECISE = "`routing.index: precise`, whose engines tell what they have cached"

HITS = Row(
    "Hits",
    (
        number(
            "Cached share",
            "Prompt tokens of completed answers that were found in the cache.",
            share(_CACHED, _PROMPT).expression,
            Unit.SHARE,
            base=Color.NOTICE,
            steps=(Step(0.3, Color.GOOD),),
            width=6,
        ),
        number(
            "Prefill saved",
            "Prompt tokens that no engine had to compute, each second.",
            rates(_CACHED).expression,
            Unit.TOKENS_PER_S,
            width=6,
        ),
        number(
            "Home or known",
            "Share of requests with a prefix to look for that went to a replica which holds it.",
            'sum(rate(ossature_affinity_outcomes_total{outcome=~"home|known"}[$__rate_interval])) '
            '/ sum(rate(ossature_affinity_outcomes_total{outcome!="none"}[$__rate_interval]))',
            Unit.SHARE,
            width=6,
        ),
        number(
            "Hits across organizations",
            "In the chosen time. Anything but 0 is an incident.",
            "sum(increase(ossature_cross_org_hits_total[$__range]))",
            Unit.NUMBER,
            steps=(Step(0.5, Color.BAD),),
            width=6,
        ),
        Panel(
            "Cached share by model",
            "A drop after a deployment: prompts or their rendering have changed. A drop alone: look at spills and evictions below.",
            (share(_CACHED, _PROMPT, "model"),),
            Unit.SHARE,
            maximum=1,
        ),
        Panel(
            "Prompt tokens",
            "All of them, those found in the cache, and those that clients were shown as cached (from 1,024 on, in steps of 128).",
            (
                rates(_PROMPT, legend="prompt"),
                rates(_CACHED, legend="cached"),
                rates('ossature_tokens_total{kind="shown_cached"}', legend="shown"),
            ),
            Unit.TOKENS_PER_S,
        ),
        Panel(
            "Engines' own hit rate",
            "vLLM's count: of every token that it looked up, requests that were cancelled among them.",
            (share("vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total", "model_name"),),
            Unit.SHARE,
            maximum=1,
        ),
    ),
)

ISOLATION = Row(
    "Isolation",
    (
        Panel(
            "Hits across organizations",
            "In ten minutes, by model. Must be 0: the alert OssatureCrossOrganizationHit says what to do.",
            (Query("sum by (model) (increase(ossature_cross_org_hits_total[10m]))", "{{model}}"),),
            Unit.NUMBER,
            width=12,
            steps=(Step(0.5, Color.BAD),),
        ),
        Panel(
            "Requests that were checked for it",
            "First requests of an organization and salt on an engine. None over days: nothing is being checked.",
            (Query("sum by (model) (increase(ossature_isolation_judged_total[1h]))", "{{model}}"),),
            Unit.NUMBER,
            width=12,
        ),
    ),
)

ROUTING = Row(
    "Routing",
    (
        Panel(
            "Where requests went",
            "`home`: the first replica of the prefix's order; `known`: a later one that holds it; `spilled`: one that does not; "
            "`none`: nothing to look for.",
            (rates("ossature_affinity_outcomes_total", "outcome"),),
            Unit.REQUESTS_PER_S,
            stacked=True,
        ),
        Panel(
            "Kept from their cache by load",
            "Requests that load sent away from the replica with most of their prompt: a reason to add replicas.",
            (rates("ossature_affinity_forced_off_total", "model"),),
            Unit.EVENTS_PER_S,
        ),
        Panel(
            "Predicted and actual cached tokens",
            "They should grow alike; a gap is what the router believes and engines have evicted.",
            (rates("ossature_routing_cached_tokens_total", "kind"),),
            Unit.TOKENS_PER_S,
        ),
        Panel(
            "Place in the order of homes",
            "0 is the first home; a p90 that grows is a prefix spread over many replicas.",
            quantiles("ossature_affinity_rank", 0.5, 0.9),
            Unit.NUMBER,
        ),
        Panel(
            "Time to choose a replica",
            "Tens of microseconds; milliseconds mean a gateway without processor time.",
            quantiles("ossature_routing_decision_duration_seconds", 0.5, 0.99),
            Unit.SECONDS,
            steps=worse_above(0.001, 0.005),
        ),
        Panel(
            "Ranks of chosen replicas",
            "How many requests went to which place in their order, each second.",
            (Query("sum by (le) (rate(ossature_affinity_rank_bucket[$__rate_interval]))", "{{le}}"),),
            Unit.NUMBER,
            Look.HEATMAP,
        ),
    ),
)

MEMORY = Row(
    "What gateways and engines remember",
    (
        Panel(
            "Entries of the routing index",
            "Bounded by `routing.index_entries`; at the bound the oldest are forgotten.",
            (Query("sum by (model) (ossature_routing_index_entries)", "{{model}}"),),
            Unit.NUMBER,
        ),
        Panel(
            "Memory of the routing index",
            "Estimated.",
            (Query("sum by (model) (ossature_routing_index_bytes)", "{{model}}"),),
            Unit.BYTES,
        ),
        Panel(
            "Replicas that have told all they hold",
            "Added up over gateways, and reports of theirs that came without the one before, in an hour.",
            (
                Query("sum(ossature_residency_replicas)", "replicas"),
                Query("sum(increase(ossature_residency_gaps_total[1h]))", "gaps in 1 h"),
            ),
            Unit.NUMBER,
        ),
        Panel(
            "Blocks stored and removed",
            "Each second. Removals near the stores: the cache is full, and prefixes live as long as that lets them.",
            (rates("ossature_kv_events_total", "kind"),),
            Unit.EVENTS_PER_S,
            needs=_PRECISE,
        ),
        Panel(
            "Blocks in caches",
            "As the engines' events tell it.",
            (Query("sum by (model) (ossature_kv_resident_blocks)", "{{model}}"),),
            Unit.NUMBER,
            needs=_PRECISE,
        ),
        Panel(
            "Hashes of prefixes",
            "That end on these blocks (engines), and that gateways were told of.",
            (Query("sum(ossature_kv_resident_hashes)", "engines"), Query("sum(ossature_residency_hashes)", "gateways")),
            Unit.NUMBER,
            needs=_PRECISE,
        ),
    ),
)

BOARD = Board(
    "ossature-prompt-cache",
    "Ossature: prompt cache and routing",
    "How much prefill the cache saves, that it stays within organizations, and whether routing sends requests to it.",
    (HITS, ISOLATION, ROUTING, MEMORY),
)

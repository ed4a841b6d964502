"""Who uses the cluster, and what they get."""

from __future__ import annotations

from deploy.monitoring.boards.overview import OUR_FAULT
from deploy.monitoring.panels import Board, Look, Panel, Query, Row, Unit, Variable, number, rates, share, worse_above

_MOST = 10
_PROMPT = 'ossature_tokens_total{kind="prompt"}'
_CACHED = 'ossature_tokens_total{kind="cached"}'
_FAILED = f'ossature_requests_total{{code=~"{OUR_FAULT}"}}'
_REFUSED = 'ossature_requests_total{code=~"overloaded|rate_limit_exceeded"}'


def _most(query: Query) -> Query:
    """The largest of them: a cluster may have a thousand organizations."""
    return Query(f"topk({_MOST}, {query.expression})", query.legend)


def _column(name: str, counter: str) -> Query:
    return Query(f"sum by (org) (increase({counter}[$__range]))", name)


SUM = Row(
    "Chosen organizations together",
    (
        number("Requests", "Each second.", rates("ossature_requests_total").expression, Unit.REQUESTS_PER_S, width=6),
        number(
            "Tokens of answers",
            "Each second.",
            rates('ossature_tokens_total{kind="completion"}').expression,
            Unit.TOKENS_PER_S,
            width=6,
        ),
        number("Cached share", "Of their prompts' tokens.", share(_CACHED, _PROMPT).expression, Unit.SHARE, width=6),
        number(
            "Active",
            "Organizations with a request in the last hour. Beyond `metrics.max_organizations` all others are one, `other`.",
            "count(sum by (org) (increase(ossature_requests_total[1h])) > 0)",
            Unit.NUMBER,
            width=6,
        ),
    ),
)

USAGE = Row(
    f"Usage, the {_MOST} largest",
    (
        Panel("Requests", "Each second.", (_most(rates("ossature_requests_total", "org")),), Unit.REQUESTS_PER_S),
        Panel("Prompt tokens", "Of completed answers.", (_most(rates(_PROMPT, "org")),), Unit.TOKENS_PER_S),
        Panel(
            "Tokens of answers",
            "Of completed answers.",
            (_most(rates('ossature_tokens_total{kind="completion"}', "org")),),
            Unit.TOKENS_PER_S,
        ),
    ),
)

SERVICE = Row(
    "What they get",
    (
        Panel(
            "Cached share",
            "Of an organization's prompt tokens, of those with the most cached ones: what stable prefixes and cache keys bring.",
            (
                Query(
                    f"{share(_CACHED, _PROMPT, 'org').expression} and topk({_MOST}, {rates(_CACHED, 'org').expression})", "{{org}}"
                ),
            ),
            Unit.SHARE,
            maximum=1,
        ),
        Panel(
            "Failed requests",
            "Through no fault of theirs, as a share of all.",
            (_most(share(_FAILED, "ossature_requests_total", "org")),),
            Unit.SHARE,
            steps=worse_above(0.01, 0.05),
        ),
        Panel(
            "Refused: limits and overload",
            "Who meets a rate limit or a full cluster, each second.",
            (_most(rates(_REFUSED, "org")),),
            Unit.EVENTS_PER_S,
        ),
        Panel(
            "Outcomes",
            "Of the chosen organizations' requests.",
            (rates("ossature_requests_total", "code"),),
            Unit.REQUESTS_PER_S,
            width=12,
            stacked=True,
        ),
        Panel(
            "Models", "Which they use.", (rates("ossature_requests_total", "model"),), Unit.REQUESTS_PER_S, width=12, stacked=True
        ),
    ),
)

TABLE = Row(
    "In the chosen time",
    (
        Panel(
            "Organizations",
            "Sums over the time chosen above. Billing is the usage ledger's, which is exact; these are Prometheus' estimates.",
            (
                _column("Requests", "ossature_requests_total"),
                _column("Prompt tokens", _PROMPT),
                _column("Cached", _CACHED),
                _column("Answer tokens", 'ossature_tokens_total{kind="completion"}'),
            ),
            Unit.NUMBER,
            Look.TABLE,
            width=24,
            height=10,
        ),
    ),
)

BOARD = Board(
    "ossature-organizations",
    "Ossature: organizations",
    "Usage and service of each organization.",
    (SUM, USAGE, SERVICE, TABLE),
    (Variable.MODEL, Variable.ORGANIZATION),
)

"""What ``x-ossature-route`` says of a routing decision."""

from __future__ import annotations

from cluster.routing.ticket import RouteTicket


def explain(ticket: RouteTicket, *, reasons: bool) -> str:
    """For every caller how the request met its prefix's home; with ``reasons``, for admins, also which replica that was and why.

    Space-separated ``name=value``: ``replica``; ``prompt``, ``cached`` and ``best``, tokens of the prompt, of those expected at the
    replica and at the one that holds most; ``age``, s since they were last used; ``wait`` and ``prefill``, expected ms; ``load``,
    requests there; ``forced_off``, whether load kept it from the best one; ``decision``, µs that choosing took.
    """
    parts = [f"affinity={ticket.affinity}"]
    if ticket.rank is not None:
        parts.append(f"rank={ticket.rank}")
    if reasons:
        parts.append(f"replica={ticket.replica_id}")
        estimate = ticket.estimate
        if estimate is not None:
            parts += [
                f"prompt={estimate.prompt_tokens}",
                f"cached={estimate.cached_tokens}",
                f"best={estimate.best_cached_tokens}",
                f"age={estimate.age_s:.0f}",
                f"wait={estimate.wait_ms:.1f}",
                f"prefill={estimate.prefill_ms:.1f}",
                f"load={estimate.load:.0f}",
                f"forced_off={'yes' if estimate.forced_off else 'no'}",
            ]
        parts.append(f"decision={ticket.decision_s * 1e6:.0f}")
    return " ".join(parts)

"""Counting what an edge refuses where the inside has not counted it."""

from __future__ import annotations

from collections.abc import Callable

from cluster.errors import OssatureError, Unauthenticated, first_count
from cluster.telemetry import labels
from cluster.telemetry.metrics import GatewayMetrics

OnRefusal = Callable[[str, str, BaseException], None]
"""Edge, organization (``""`` while it is not known), and what went wrong."""

#: Codes that the check of a key can end with, beside a key that is refused.
_AUTHENTICATION_REASONS = {
    "mismatched_organization": "wrong_organization",
    "mismatched_project": "wrong_project",
    "store_unavailable": "unavailable",
}


def uncounted(edge: str, org_id: str, error: BaseException) -> None:
    """For an edge without metrics."""


class Refusals:
    def __init__(self, metrics: GatewayMetrics) -> None:
        self._metrics = metrics

    def refused(self, edge: str, org_id: str, error: BaseException) -> None:
        """Count an error that is about to be sent, once."""
        if not first_count(error):
            return
        if isinstance(error, OssatureError) and not org_id:
            self._count_authentication(error)
        code = labels.code_of(error)
        if org_id:
            self._metrics.request_rejected(org_id, None, edge, code)
        else:
            self._metrics.error(edge, None, code)

    def _count_authentication(self, error: OssatureError) -> None:
        reason = error.reason if isinstance(error, Unauthenticated) else _AUTHENTICATION_REASONS.get(error.code or "")
        if reason is not None:
            self._metrics.auth_failed(reason)

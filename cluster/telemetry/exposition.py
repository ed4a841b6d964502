"""The two text formats of a scrape, and which of them a scraper wants."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder
from prometheus_client.openmetrics import exposition as openmetrics


def encode(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """The metrics as text and its content type, for an ``Accept`` header. Raises what the collectors of ``registry`` raise.

    All names here are valid in the classic character set, so no escaping is wanted. The library's default of escaping with
    underscores must not be used: its OpenMetrics encoder takes the colon for invalid and renames ``vllm:`` samples.
    """
    _, wanted = choose_encoder(accept)
    if wanted.startswith("application/openmetrics-text"):
        body = openmetrics.generate_latest(registry, escaping=openmetrics.ALLOWUTF8)  # type: ignore[no-untyped-call]
        return body, openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(registry, openmetrics.ALLOWUTF8), CONTENT_TYPE_PLAIN_0_0_4

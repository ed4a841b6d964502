"""Metrics, logs and traces."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, field_validator

from cluster.config.settings.edges import Port
from cluster.config.settings.section import Section


class MetricsSettings(Section):
    """The Prometheus endpoint: one per node, for all processes there."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(9464, description="TCP port of the metrics endpoint on each node.")
    max_organizations: int = Field(
        1000, ge=1, description="Organizations with a label of their own; later ones are counted together as `other`."
    )


class LoggingSettings(Section):
    """What the cluster writes to its logs."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe level that is logged.")
    json_lines: bool = Field(True, description="One JSON object a line; off: plain text.")
    prompts: bool = Field(
        False,
        description="Log the text of every request's prompt, at level INFO: whoever reads the logs then reads what users wrote. "
        "Off: no line holds any of it.",
    )


class TracingSettings(Section):
    """Distributed traces, for OpenTelemetry: one span for a request, its routing, its way to an engine, queue, prefill, decode."""

    endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^\s/@]+(/[^\s@]*)?$",
        description="Where finished spans are sent by OTLP: `http://collector:4318`, or with `protocol: grpc` "
        "`http://collector:4317`; `https://` for TLS. Gateways, engines and jobs must reach it. Unset: nothing is traced.",
    )
    protocol: Literal["http", "grpc"] = Field("http", description="OTLP's protocol: `http` (protobuf in POST) or `grpc`.")
    headers: SecretStr | None = Field(
        None,
        min_length=3,
        description="Headers that are sent along, like a key of the collector: `name=value`, separated by commas.",
    )
    service_name: str = Field(
        "ossature",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="First part of `service.name`; the process's part follows: `ossature-gateway`, `…-engine`, `…-jobs`.",
    )
    sample_ratio: float = Field(
        0.1, ge=0, le=1, description="Share of requests and runs of jobs that are traced; for each it is decided once."
    )
    follow_callers: bool = Field(
        False,
        description="Trace a request that brings a `traceparent` if, and only if, its flags say that the caller does. Off: by "
        "`sample_ratio`, as any other. Either way its spans join the caller's trace.",
    )
    timeout_s: float = Field(5.0, gt=0, le=60, description="Longest time to send a batch of spans, in seconds.")
    max_waiting_spans: int = Field(
        8192,
        ge=64,
        le=1_000_000,
        description="Spans that wait in one process to be sent; with more, the oldest are dropped. No request waits.",
    )

    @field_validator("headers")
    @classmethod
    def _pairs(cls, headers: SecretStr | None) -> SecretStr | None:
        for pair in headers.get_secret_value().split(",") if headers is not None else ():
            name, separator, _ = pair.partition("=")
            if not separator or not name.strip():
                raise ValueError("must be name=value pairs, separated by commas")
        return headers

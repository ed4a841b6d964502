"""Nodes: what runs there, its ingress, its disk, and the exporter itself."""

from __future__ import annotations

from cluster.telemetry.definition import Kind, Metric, Source

BUILD_INFO = Metric(
    "ossature_build_info",
    Kind.GAUGE,
    Source.EXPORTER,
    "Always 1; the labels are the installed versions.",
    labels=("version", "python", "ray", "vllm"),
    combine="livemax",
    example="count by (version) (ossature_build_info)",
)
EXPORTER_PROCESSES = Metric(
    "ossature_exporter_processes",
    Kind.GAUGE,
    Source.EXPORTER,
    "Living processes of the node that export metrics.",
    example="ossature_exporter_processes",
)
EXPORTER_FOLDED = Metric(
    "ossature_exporter_folded_processes_total",
    Kind.COUNTER,
    Source.EXPORTER,
    "Ended processes whose counters were folded into the node's archive: restarts of replicas.",
    example="increase(ossature_exporter_folded_processes_total[1h]) > 3",
)
EXPORTER_COLLECT = Metric(
    "ossature_exporter_collect_duration_seconds",
    Kind.GAUGE,
    Source.EXPORTER,
    "Time that reading and merging the node's metrics took for this very scrape.",
    unit="seconds",
    combine="livemax",
    example="max(ossature_exporter_collect_duration_seconds)",
)
INGRESS_UP = Metric(
    "ossature_ingress_up",
    Kind.GAUGE,
    Source.EXPORTER,
    "Whether clients can get in at this node: 1 if its HAProxy answered the scrape's own request and has a gateway, else 0. Nodes "
    "without replicas have no HAProxy.",
    combine="livemax",
    example="ossature_ingress_up == 0 and max_over_time(ossature_ingress_up[1h]) == 1",
)
DATA_FOLDER_FREE = Metric(
    "ossature_data_folder_free_bytes",
    Kind.GAUGE,
    Source.EXPORTER,
    "What a process without privileges may still write to the file system of the node's data folder: database, files, metrics.",
    unit="bytes",
    combine="livemax",
    example="ossature_data_folder_free_bytes / ossature_data_folder_size_bytes < 0.1",
)
DATA_FOLDER_SIZE = Metric(
    "ossature_data_folder_size_bytes",
    Kind.GAUGE,
    Source.EXPORTER,
    "Size of the file system of the node's data folder.",
    unit="bytes",
    combine="livemax",
    example="ossature_data_folder_free_bytes / ossature_data_folder_size_bytes < 0.1",
)

ALL: tuple[Metric, ...] = (
    BUILD_INFO,
    EXPORTER_PROCESSES,
    EXPORTER_FOLDED,
    EXPORTER_COLLECT,
    INGRESS_UP,
    DATA_FOLDER_FREE,
    DATA_FOLDER_SIZE,
)

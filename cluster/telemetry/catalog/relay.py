"""The channels between gateways and engine replicas."""

from __future__ import annotations

from cluster.telemetry.definition import Kind, Metric, Source

RELAY_CHANNELS = Metric(
    "ossature_relay_channels",
    Kind.GAUGE,
    Source.GATEWAY,
    "Channels of engine replicas that the node's gateways hold open (relay `stepped`); each replica opens one with its "
    "first answer.",
    example="sum(ossature_relay_channels)",
)
RELAY_CONNECTIONS = Metric(
    "ossature_relay_connections_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Connections of engine replicas to gateways: `first` of a replica's life, `again` after a loss, `refused` without a valid "
    "proof or for an earlier life of the gateway.",
    labels=("outcome",),
    example='increase(ossature_relay_connections_total{outcome="refused"}[10m]) > 0',
)
RELAY_CHANNEL_ENDS = Metric(
    "ossature_relay_channel_ends_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Channels that have ended, with all streams on them: `closed` (a process has ended), `silent` (a host has vanished), "
    "`protocol` (a defect), `superseded` (the replica has connected anew).",
    labels=("reason",),
    example='increase(ossature_relay_channel_ends_total{reason!="closed"}[10m]) > 0',
)
RELAY_BYTES = Metric(
    "ossature_relay_bytes_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Bytes on the channels as gateways see them: `received` answers, `sent` large request bodies and what steers the channels.",
    labels=("direction",),
    unit="bytes",
    example='sum(rate(ossature_relay_bytes_total{direction="received"}[5m]))',
)
RELAY_MESSAGES = Metric(
    "ossature_relay_messages_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Messages that gateways have received on channels: one for each engine step and gateway, and a few that steer.",
    example="sum(rate(ossature_relay_frames_total[5m])) / sum(rate(ossature_relay_messages_total[5m]))",
)
RELAY_FRAMES = Metric(
    "ossature_relay_frames_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Pieces of single answers in those messages. Divided by the messages: how many streams share one.",
    example="sum(rate(ossature_relay_frames_total[5m])) / sum(rate(ossature_relay_messages_total[5m]))",
)
RELAY_WAITING_BYTES = Metric(
    "ossature_relay_waiting_bytes",
    Kind.GAUGE,
    Source.GATEWAY,
    "Answers that wait in the node's gateways for clients that read slowly (relay `stepped`), added up over the gateways; each "
    "holds at most `relay.max_waiting_bytes`.",
    unit="bytes",
    example="sum(ossature_relay_waiting_bytes)",
)
RELAY_GIVEN_UP = Metric(
    "ossature_relay_given_up_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Answers that gateways gave up because `relay.max_waiting_bytes` were waiting.",
    example="increase(ossature_relay_given_up_total[10m]) > 0",
)

ALL: tuple[Metric, ...] = (
    RELAY_CHANNELS,
    RELAY_CONNECTIONS,
    RELAY_CHANNEL_ENDS,
    RELAY_BYTES,
    RELAY_MESSAGES,
    RELAY_FRAMES,
    RELAY_WAITING_BYTES,
    RELAY_GIVEN_UP,
)

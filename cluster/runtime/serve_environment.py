"""Environment of the Ray processes, derived from the configuration.

Ray and Ray Serve read these when a process starts. A Ray that we start inherits them from us; one that runs already must have been
started with them on every node (``ossature config ray-environment`` prints them).
"""

from __future__ import annotations

import ipaddress
import math
import socket

from cluster.config.schema import ClusterConfig

_LOOPBACK_NAMES = {"localhost"}
#: HTTP/2 streams that one client connection may have open; HAProxy's default is 100, more wait without a word.
_HTTP2_STREAMS = 1000
_GRPC_OVERHEAD_BYTES = 64 << 10
#: Beyond the longest life of a stream, before an HAProxy that was replaced by a reload ends what it still carries.
_HAPROXY_MARGIN_S = 30.0
#: Gateways that may all be gone before a request is lost.
_HAPROXY_RETRIES = 16
#: How long a gateway of a cluster for this host alone stays reachable once it is to end: HAProxy must have heard of it by then.
_CONFINED_DRAINING_S = 2.0


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in _LOOPBACK_NAMES


def is_confined(config: ClusterConfig) -> bool:
    """Whether nothing of this cluster may listen beyond loopback: it is asked for no other address, on a Ray of its own."""
    return config.ray.address is None and is_loopback(config.http.host)


def ray_environment(config: ClusterConfig) -> dict[str, str]:
    """What every node's Ray needs, whoever starts it."""
    environment = {
        # Streaming over gRPC in the replica's own event loop; HAProxy in front. Why: docs/decisions, record 1.
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_ENABLE_HA_PROXY": "1" if config.ray.haproxy else "0",
        "RAY_SERVE_ENABLE_DIRECT_INGRESS": "1" if config.ray.haproxy else "0",
        # One second instead of ten: how long a dead HAProxy's actor goes unnoticed. An answer may take Serve's ten seconds: a
        # network or a machine that stalls for less is no reason to end a HAProxy that works, and its connections.
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
        # A proxy that is not up within this time is killed, and the start with it; Serve's 5 s are short for a busy machine.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "50",
        # Room for a body of the largest size in its gRPC form; whatever is larger is refused before it is read.
        "RAY_SERVE_GRPC_MAX_MESSAGE_SIZE": str(config.http.max_body_bytes + _GRPC_OVERHEAD_BYTES),
        # Requests come to a replica by other ways than handles, which would not count those for autoscaling.
        "RAY_SERVE_COLLECT_AUTOSCALING_METRICS_ON_HANDLE": "0",
        "RAY_SERVE_HAPROXY_H2_FE_MAX_CONCURRENT_STREAMS": str(_HTTP2_STREAMS),
        # A reload (whenever a gateway comes or goes) replaces HAProxy's process; the former one keeps its streams for so long.
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(_longest_stream_s(config)),
        # That one knows none of the gateways that come later. Once those are gone that it knows, a request on a connection that it
        # has kept reaches them by Serve's own proxy, which stands behind: as soon as each gateway has refused a connection once.
        "RAY_SERVE_HAPROXY_OBSERVE_ERROR_LIMIT": "1",
        "RAY_SERVE_HAPROXY_RETRIES": str(_HAPROXY_RETRIES),
        # A gateway that ends closes the idle connections that HAProxy has to it; one may have been given a request in this moment.
        # A request that went out with no byte of an answer is sent to another gateway, then, as the clients' libraries would do.
        "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
        # Ray gives its workers the lowest priority but four; an engine would wait behind any other process of the host.
        "RAY_worker_niceness": "0",
        # Serve's own metrics, ten times a second by default, are read every few seconds at most.
        "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "1000",
        "RAY_USAGE_STATS_ENABLED": "0",
        # Its official builds report to Microsoft by default; some engines load it as well as speech does.
        "ORT_DISABLE_TELEMETRY": "1",
        "RAY_DEDUP_LOGS": "0",
    }
    if config.relay.implementation == "handle":
        # Serve's 4 MiB are enough for calls whose large bodies take the relay's own channel.
        environment["RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH"] = str(config.relay.max_request_bytes)
    return environment


def serve_environment(config: ClusterConfig) -> dict[str, str]:
    """``ray_environment``, and where the cluster is meant for this host alone what keeps it there."""
    environment = ray_environment(config)
    if is_confined(config):
        ports = _free_ports(4)
        environment |= {
            # Ray's name for "this cluster is one host": its node address becomes 127.0.0.1 and its servers bind to it.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            # One host's cluster has nothing to drain to when it stops; gateways that are exchanged have.
            "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": str(_CONFINED_DRAINING_S),
            "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": "0.5",
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports[0]),
            "RAY_SERVE_HAPROXY_STATS_PORT": str(ports[1]),
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports[2]),
            "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(ports[3]),
        }
    return environment


def _longest_stream_s(config: ClusterConfig) -> int:
    """Seconds that an answer or a realtime session may last, with a margin."""
    longest_s = max(config.admission.request_timeout_s, config.gateway.graceful_shutdown_timeout_s)
    if config.realtime.enabled:
        longest_s = max(longest_s, config.realtime.max_session_s)
    return math.ceil(longest_s + _HAPROXY_MARGIN_S)


def _free_ports(count: int) -> list[int]:
    """Ports that are free on loopback now. They stay free with luck only, as every such choice does."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for candidate in sockets:
            candidate.bind(("127.0.0.1", 0))
        return [candidate.getsockname()[1] for candidate in sockets]
    finally:
        for candidate in sockets:
            candidate.close()

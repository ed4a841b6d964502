"""What every Ray process of the cluster does first (Ray's ``worker_process_setup_hook``).

Ray Serve binds some of its servers to every address of the host, whatever ``http.host`` says: each replica's gRPC server (which
unpickles what it is sent), the gRPC proxy, and HAProxy's statistics. On a cluster that is meant for loopback alone, ``confined``
narrows them to 127.0.0.1. ``tests/e2e/test_operation.py`` looks at the sockets of a running cluster.

In either case a replica's gRPC server refuses a port that another process listens on: Serve means to ask for that, but passes the
option as text, which gRPC ignores, and two clusters on one host would share a port and answer each other's calls.

In either case, too, HAProxy is kept from splicing requests: while it does (HAProxy 2.8), it may not look at the client's side
until the answer comes, so that a client which has gone away would keep its generation running to the end.
HAProxy answers 503, which clients try again, and not 404 as long as it knows of no gateway: one that has just been started. The
application has every path, so that nothing else is without a backend. And a HAProxy that dies is started again at once
(``haproxy_restart``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

_LOOPBACK = "127.0.0.1:"
_ANY_ADDRESS = ("[::]:", "0.0.0.0:", "*:")
_SPLICE_REQUEST = "    option splice-request\n"
_SHARED_PORTS = "grpc.so_reuseport"
_NO_BACKEND = 'http-request return status 404 content-type text/plain lf-string "Path '
_RETRY_LATER = 'http-request return status 503 hdr Retry-After 1 content-type text/plain lf-string "No gateway is known yet. Path '
_HAPROXY_EVERYWHERE = ((_SPLICE_REQUEST, ""), (_NO_BACKEND, _RETRY_LATER))
_HAPROXY_ANY = (("bind *:", "bind 127.0.0.1:"), ("bind :", "bind 127.0.0.1:"))


def plain() -> None:
    """For clusters that serve other hosts."""
    _make_metrics_directory()
    _refuse_shared_grpc_ports()
    _change_haproxy(_HAPROXY_EVERYWHERE)
    _restart_dead_haproxy()


def confined() -> None:
    """For clusters whose ``http.host`` is a loopback address."""
    _make_metrics_directory()
    _refuse_shared_grpc_ports()
    _confine_grpc_servers()
    _change_haproxy([*_HAPROXY_EVERYWHERE, *_HAPROXY_ANY])
    _restart_dead_haproxy()


def _make_metrics_directory() -> None:
    # prometheus_client fails to import its multi-process files when the folder is missing, and no earlier code runs on each node.
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if directory:
        os.makedirs(directory, exist_ok=True)


def _refuse_shared_grpc_ports() -> None:
    from ray.serve._private.grpc_util import gRPCGenericServer

    build = gRPCGenericServer.__init__

    def with_number(self: Any, factory: Callable[..., Any], *, extra_options: Sequence[tuple[str, Any]] | None = None) -> None:
        options = [(name, int(value) if name == _SHARED_PORTS else value) for name, value in extra_options or ()]
        build(self, factory, extra_options=options)

    gRPCGenericServer.__init__ = with_number


def _confine_grpc_servers() -> None:
    from grpc.aio._server import Server

    def confine(bind: Callable[..., int]) -> Callable[..., int]:
        def on_loopback(self: Server, address: str, *credentials: Any) -> int:
            for prefix in _ANY_ADDRESS:
                if address.startswith(prefix):
                    address = _LOOPBACK + address.removeprefix(prefix)
                    break
            return bind(self, address, *credentials)

        return on_loopback

    for name in ("add_insecure_port", "add_secure_port"):
        setattr(Server, name, confine(getattr(Server, name)))


def _change_haproxy(replacements: Sequence[tuple[str, str]]) -> None:
    """Replace text in Serve's templates of HAProxy's configuration."""
    from ray.serve._private import haproxy, haproxy_templates

    for module in (haproxy_templates, haproxy):
        for name, value in vars(module).copy().items():
            if isinstance(value, str) and any(old in value for old, _ in replacements):
                for old, new in replacements:
                    value = value.replace(old, new)
                setattr(module, name, value)


def _restart_dead_haproxy() -> None:
    from ray.serve._private.haproxy import HAProxyApi

    from cluster.runtime.haproxy_restart import restart_dead_haproxy

    restart_dead_haproxy(HAProxyApi)

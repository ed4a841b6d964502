"""What a start leaves open to others, said to the person who starts it."""

from __future__ import annotations

import stat
from collections.abc import Iterator

from cluster.config.schema import ClusterConfig
from cluster.runtime.ray_token import readable_token
from cluster.runtime.serve_environment import is_confined

_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def exposures(config: ClusterConfig) -> Iterator[str]:
    """Warnings about a prepared configuration: ports beyond loopback, a token and a data folder that others may use."""
    if not is_confined(config):
        cause = f"http.host is {config.http.host}" if config.ray.address is None else f"ray.address is {config.ray.address}"
        yield (
            f"{cause}: Ray, Serve's replicas (which unpickle what they are sent), the relay's channels and HAProxy's statistics "
            f"listen beyond loopback. Let a firewall or NetworkPolicy pass http.port ({config.http.port})"
            + (f" and grpc.port ({config.grpc.port})" if config.grpc.enabled else "")
            + " alone to clients, and keep Ray's token authentication on."
        )
    if config.ray.address is None and (token := readable_token()) is not None:
        yield (
            f"{token}: other users of this machine may read Ray's token, and with it run code in the cluster. chmod 600 {token}, "
            "or remove it to have another one made."
        )
    mode = stat.S_IMODE(config.data_dir.stat().st_mode)
    if mode & _OF_OTHERS:
        yield (
            f"data_dir: other users of this machine may use {config.data_dir} (mode {mode:04o}). Files with keys are their owner's "
            f"alone, the database and logs are not: chmod 700 {config.data_dir}"
        )

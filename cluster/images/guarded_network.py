"""Connections to checked addresses alone: a name is resolved once, and the very address that was checked is connected to.

Whoever answers for a name can't therefore give one address to the check and another one to the connection.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import httpcore

from cluster.images.addresses import Address, Network, allowed
from cluster.images.refused import ImageRefused

Resolve = Callable[[str, int], Awaitable[list[Address]]]


async def resolve(host: str, port: int) -> list[Address]:
    """All addresses of a name, or the one that it is. Raises ``OSError``."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # The scope of a link-local address ("fe80::1%eth0") is not part of it.
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """What httpcore opens its connections with. TLS is still for the host that the URL names."""

    def __init__(self, exceptions: Sequence[Network], resolver: Resolve = resolve) -> None:
        """``exceptions``: networks that may be connected to although they are not public."""
        self._exceptions = tuple(exceptions)
        self._resolve = resolver
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises :class:`ImageRefused` for an address that is not allowed, httpcore's errors for one that can't be reached.

        One forbidden address among several forbids them all: such a name is made to get past a guard.
        """
        try:
            addresses = await self._resolve(host, port)
        except OSError:
            raise httpcore.ConnectError("the name has no address") from None
        if not addresses:
            raise httpcore.ConnectError("the name has no address")
        if not all(allowed(address, self._exceptions) for address in addresses):
            raise ImageRefused("forbidden_url", "its host is not on the public internet.")
        failure: Exception | None = None
        for address in addresses:
            try:
                return await self._network.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("no sockets of this machine")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

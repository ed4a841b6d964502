"""Two hosts on one machine: a network namespace each. A switch joins them; clients reach either by a cable of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

BETWEEN_HOSTS, TO_CLIENTS = "10.197.0", "10.197.{}"


@dataclass(frozen=True)
class Host:
    """``address``: for other hosts; ``outside``: for clients, who are in the namespace of the tests and there have ``client``."""

    name: str
    address: str
    outside: str
    client: str
    port_of_switch: str
    switch: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """Of a command that is to run there."""
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        """The switch drops what goes to and from this host, without a word. Clients still reach it."""
        _ip("link", "set", self.port_of_switch, "nomaster")

    def heal(self) -> None:
        _ip("link", "set", self.port_of_switch, "master", self.switch)


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Skips the test for users who may not make namespaces."""
    if os.geteuid() != 0:
        pytest.skip("only root may make network namespaces")
    mark = f"{os.getpid():x}"
    switch = f"os{mark}"
    with ExitStack() as stack:
        _ip("link", "add", switch, "type", "bridge")
        stack.callback(_ip, "link", "del", switch)
        _ip("link", "set", switch, "up")
        first, second = (stack.enter_context(_host(number, mark, switch)) for number in (1, 2))
        yield first, second


@contextmanager
def _host(number: int, mark: str, switch: str) -> Iterator[Host]:
    outside = TO_CLIENTS.format(number)
    host = Host(
        f"ossature-{mark}-{number}", f"{BETWEEN_HOSTS}.{number}", f"{outside}.2", f"{outside}.1", f"os{mark}h{number}", switch
    )
    cable = f"os{mark}c{number}"
    _ip("netns", "add", host.name)
    try:
        # The ends outside go with the namespace.
        _ip("link", "add", host.port_of_switch, "type", "veth", "peer", "name", "hosts", "netns", host.name)
        _ip("link", "add", cable, "type", "veth", "peer", "name", "clients", "netns", host.name)
        _ip("address", "add", f"{host.client}/24", "dev", cable)
        _ip("-n", host.name, "address", "add", f"{host.address}/24", "dev", "hosts")
        _ip("-n", host.name, "address", "add", f"{host.outside}/24", "dev", "clients")
        for device in ("lo", "hosts", "clients"):
            _ip("-n", host.name, "link", "set", device, "up")
        for device in (host.port_of_switch, cable):
            _ip("link", "set", device, "up")
        host.heal()
        yield host
    finally:
        _ip("netns", "del", host.name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)

"""What may be connected to in a client's name, and what not."""

from __future__ import annotations

import ipaddress

import pytest

from cluster.images.addresses import allowed, networks

FORBIDDEN = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.9.9.9",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "192.169.0.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_forbidden(address: str) -> None:
    assert not allowed(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert allowed(ipaddress.ip_address(address))


def test_exceptions_hold_for_their_network_alone() -> None:
    exceptions = networks("10.20.0.0/16, fd00:1::/32")
    assert allowed(ipaddress.ip_address("10.20.3.4"), exceptions)
    assert allowed(ipaddress.ip_address("::ffff:10.20.3.4"), exceptions)
    assert allowed(ipaddress.ip_address("fd00:1::5"), exceptions)
    assert not allowed(ipaddress.ip_address("10.21.3.4"), exceptions)
    assert not allowed(ipaddress.ip_address("fd00:2::5"), exceptions)

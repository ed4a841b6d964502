"""Which addresses may be connected to on behalf of a client who names a URL."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_FORBIDDEN: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        # IANA's special-purpose registries: written out, as what Python calls private differs between its releases.
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared address space; some clouds' metadata is here
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local: most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "168.63.129.16/32",  # Azure's platform service, reachable from every machine there by a public address
        "::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",  # Teredo and other protocol assignments
        "2001:db8::/32",
        "2002::/16",  # 6to4: reaches the IPv4 address inside
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",  # unique local; some clouds' metadata is here
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


def networks(text: str) -> tuple[Network, ...]:
    """From ``"10.20.0.0/16, fd00::/8"``. Raises ``ValueError``."""
    return tuple(ipaddress.ip_network(each.strip()) for each in text.split(",") if each.strip())


def allowed(address: Address, exceptions: Sequence[Network] = ()) -> bool:
    """Whether it is an address of the public internet, or in one of ``exceptions``."""
    embedded = _embedded(address)
    if any(each.version == embedded.version and embedded in each for each in exceptions):
        return True
    if any(each.version == embedded.version and embedded in each for each in _FORBIDDEN):
        return False
    return embedded.is_global


def _embedded(address: Address) -> Address:
    """The IPv4 address that a packet to this IPv6 address ends at, if there is one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address

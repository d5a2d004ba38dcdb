"""Which hosts a command may reach (`sandbox.network`): names, names below a name, addresses. Pure."""

import ipaddress
from collections.abc import Sequence

from equitr_coder.domain.frozen import frozen

_USUAL_PORTS = (80, 443)
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""NAT64 (RFC 6052): the last 32 bits are an address of version 4."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@frozen
class Hosts:
    """`entries` as the user writes them: `example.org`, `*.example.org`, `example.org:8080`, `10.0.0.0/8`, `[::1]:80`.

    Without a port the usual two of the web are meant.
    """

    entries: tuple[str, ...] = ()

    def allows(self, host: str, port: int) -> bool:
        """Whether a request may name this host; an address must be listed as one."""
        name = host.lower().rstrip(".")
        address = parse_address(name)
        if address is not None:
            return self._lists(address, port)
        return any(_is_meant(pattern, name) and port in ports for pattern, ports in map(split_entry, self.entries))

    def allows_address(self, host: str, address: Address, port: int) -> bool:
        """Whether what a listed name leads to may be reached: the public network, or an address that is listed too.
        A name server could otherwise lead a listed name to the machine itself or into its network.
        """
        if _plain(address).is_global and not _plain(address).is_multicast:
            return True
        is_itself = host.lower().rstrip(".") == "localhost" and _plain(address).is_loopback
        return is_itself or self._lists(address, port)

    def _lists(self, address: Address, port: int) -> bool:
        for pattern, ports in map(split_entry, self.entries):
            network = parse_network(pattern)
            if network is not None and port in ports and _plain(address) in network:
                return True
        return False


def split_entry(entry: str) -> tuple[str, Sequence[int]]:
    """The host of an entry and its ports."""
    entry = entry.strip().lower()
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, (int(rest[1:]),) if rest.startswith(":") and rest[1:].isdigit() else _USUAL_PORTS
    host, colon, port = entry.rpartition(":")
    if colon and port.isdigit() and ":" not in host:
        return host, (int(port),)
    return entry, _USUAL_PORTS


def parse_address(text: str) -> Address | None:
    try:
        return _plain(ipaddress.ip_address(text.strip("[]").partition("%")[0]))
    except ValueError:
        return None


def parse_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        address = parse_address(text)
        return ipaddress.ip_network(text if address is None else str(address), strict=False)
    except ValueError:
        return None


def _is_meant(pattern: str, name: str) -> bool:
    if pattern.startswith("*."):
        return name.endswith(pattern[1:]) and name != pattern[2:]
    return name == pattern


def _plain(address: Address) -> Address:
    """The address of version 4 that one of version 6 stands for."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _TRANSLATED:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address

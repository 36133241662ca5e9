"""Who is at the other end of the wire: the peer, or whom our own proxies say they speak for."""

import ipaddress
from functools import lru_cache
from typing import Any

from litestar.connection import ASGIConnection

from app.kernel.settings import settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
AnyConnection = ASGIConnection[Any, Any, Any, Any]

HOPS_MAX = 16
HEADER_CHARACTERS_MAX = 2048
ADDRESSES_REMEMBERED_MAX = 8192
# A home and often a single phone is given a whole /64: counted by address it would be 2^64 strangers.
IPV6_PREFIX = 64
NOWHERE = "unknown"  # a unix socket, or a test without a peer
X_FORWARDED_FOR = "x-forwarded-for"
FORWARDED = "forwarded"
FORWARDING = (X_FORWARDED_FOR, FORWARDED)


class BadNetwork(ValueError):
    """A setting names something that is not a network in CIDR notation."""


def client_address(connection: AnyConnection) -> str:
    """The client's address in its shortest form, or `unknown`.

    Only a peer in JIUYI_TRUSTED_PROXIES is believed. Its header is read from the right, past proxies of
    ours, up to the first address that none of them is: what stands further left, the client wrote itself.
    A malformed entry ends the reading at the last hop that was told well.
    """
    peer = _peer(connection)
    if peer is None:
        return NOWHERE
    nearest = peer
    if _is_trusted(peer):
        for entry in reversed(_told_hops(connection)):
            hop = parse(entry)
            if hop is None:
                break
            nearest = hop
            if not _is_trusted(hop):
                break
    return str(nearest)


@lru_cache(maxsize=ADDRESSES_REMEMBERED_MAX)
def counted_place(address: str) -> str:
    """What requests are counted by: an IPv4 address, or the /64 that an IPv6 address lies in."""
    found = parse(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(found) >> IPV6_PREFIX << IPV6_PREFIX, IPV6_PREFIX)))
    return address


def is_secure(connection: AnyConnection) -> bool:
    """Whether the client's own line is encrypted: ours, or the one that ends at a trusted proxy."""
    if connection.scope.get("scheme") in {"https", "wss"}:
        return True
    peer = _peer(connection)
    told = connection.headers.get("x-forwarded-proto", "")
    return peer is not None and _is_trusted(peer) and told.lower() in {"https", "wss"}


def came_by_unknown_proxy(connection: AnyConnection) -> bool:
    """A forwarding header from a peer that we were not told to trust: a proxy nobody configured, or a lie."""
    peer = _peer(connection)
    told = any(name in connection.headers for name in FORWARDING)
    return told and (peer is None or not _is_trusted(peer))


def is_on_this_machine(connection: AnyConnection) -> bool:
    """A loopback peer that speaks for itself."""
    if came_by_unknown_proxy(connection):
        return False
    address = parse(client_address(connection))
    return address is not None and address.is_loopback


def parse(text: str) -> Address | None:
    """One address as headers and sockets write it: with port or brackets, IPv4 inside IPv6 as IPv4."""
    if len(text) > 64:
        return None
    return _parse(text)


@lru_cache(maxsize=ADDRESSES_REMEMBERED_MAX)
def _parse(text: str) -> Address | None:
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def networks(text: str) -> tuple[Network, ...]:
    """A list as settings write it: `10.1.0.0/16, 192.0.2.7`."""
    try:
        return tuple(
            ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip()
        )
    except ValueError as error:
        raise BadNetwork(str(error)) from error


def _peer(connection: AnyConnection) -> Address | None:
    client = connection.scope.get("client")
    return parse(client[0]) if client else None


def _is_trusted(address: Address) -> bool:
    return _trusted(settings().trusted_proxies, address)


@lru_cache(maxsize=ADDRESSES_REMEMBERED_MAX)
def _trusted(proxies: str, address: Address) -> bool:
    return any(address in network for network in networks(proxies) if network.version == address.version)


def _told_hops(connection: AnyConnection) -> list[str]:
    """The hops of the one header that our proxies write; any other came from the client as it is."""
    wanted = settings().forwarded_header.lower()
    lines = [value for name, value in connection.headers.multi_items() if name == wanted]
    told = ",".join(lines)[-HEADER_CHARACTERS_MAX:]
    hops = told.split(",")[-HOPS_MAX:] if told else []
    return [_for_of(hop) for hop in hops] if wanted == FORWARDED else hops


def _for_of(element: str) -> str:
    """The `for` of one element of RFC 7239: `for="[2001:db8::1]:4711";proto=https`."""
    for pair in element.split(";"):
        name, _, value = pair.strip().partition("=")
        if name.lower() == "for":
            return value
    return ""

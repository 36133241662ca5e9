"""Whose address counts: the peer's, or what our own proxies wrote last."""

from collections.abc import Iterator
from typing import Any

import pytest
from litestar.connection import ASGIConnection

from app.edge.addresses import (
    BadNetwork,
    client_address,
    counted_place,
    is_on_this_machine,
    is_secure,
    networks,
)
from app.kernel.settings import settings

PROXY = "10.0.0.5"
STRANGER = "203.0.113.9"


@pytest.fixture(autouse=True)
def proxies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("JIUYI_TRUSTED_PROXIES", "10.0.0.0/24, 2001:db8:f::/48, 192.0.2.200")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def asked(
    peer: str | None, *headers: tuple[str, str], scheme: str = "http"
) -> ASGIConnection[Any, Any, Any, Any]:
    return ASGIConnection(
        {
            "type": "http",
            "scheme": scheme,
            "client": None if peer is None else (peer, 4711),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        }  # type: ignore[arg-type] - the part of a scope that is read
    )


def told(value: str) -> tuple[str, str]:
    return ("X-Forwarded-For", value)


@pytest.mark.parametrize(
    ("peer", "headers", "address"),
    [
        pytest.param(STRANGER, [], STRANGER, id="a direct peer"),
        pytest.param(STRANGER, [told("198.51.100.1")], STRANGER, id="an untrusted peer is not believed"),
        pytest.param(PROXY, [], PROXY, id="a proxy that speaks for itself"),
        pytest.param(PROXY, [told(STRANGER)], STRANGER, id="a proxy speaks for a client"),
        pytest.param(PROXY, [told(f"1.1.1.1, {STRANGER}")], STRANGER, id="the left-most is the client's lie"),
        pytest.param(PROXY, [told("127.0.0.1"), told(STRANGER)], STRANGER, id="a lie in a header of its own"),
        pytest.param(PROXY, [told(f"1.1.1.1, {STRANGER}, 10.0.0.9")], STRANGER, id="two proxies"),
        pytest.param(PROXY, [told("10.0.0.8, 10.0.0.9")], "10.0.0.8", id="only proxies"),
        pytest.param(PROXY, [told(f"{STRANGER}, rubbish")], PROXY, id="rubbish on the right"),
        pytest.param(PROXY, [told(f"rubbish, {STRANGER}")], STRANGER, id="rubbish on the left"),
        pytest.param(PROXY, [told("rubbish, 10.0.0.9")], "10.0.0.9", id="rubbish behind a proxy"),
        pytest.param(PROXY, [told("")], PROXY, id="empty"),
        pytest.param(PROXY, [told(", ,")], PROXY, id="commas"),
        pytest.param(PROXY, [told("1" * 9000)], PROXY, id="endless"),
        pytest.param(PROXY, [told(",".join(["10.0.0.9"] * 500))], "10.0.0.9", id="endless hops"),
        pytest.param(PROXY, [told("[2001:db8::7]:8443")], "2001:db8::7", id="IPv6 with a port"),
        pytest.param(PROXY, [told("203.0.113.9:5555")], STRANGER, id="IPv4 with a port"),
        pytest.param(PROXY, [told("fe80::1%eth0")], "fe80::1", id="a zone"),
        pytest.param("::ffff:10.0.0.5", [told(STRANGER)], STRANGER, id="a mapped proxy"),
        pytest.param("::ffff:203.0.113.9", [], STRANGER, id="a mapped peer"),
        pytest.param(PROXY, [told("::ffff:203.0.113.9")], STRANGER, id="a mapped client"),
        pytest.param("2001:db8:f::1", [told("2001:db8:a::1")], "2001:db8:a::1", id="an IPv6 proxy"),
        pytest.param(PROXY, [("Forwarded", f"for={STRANGER}")], PROXY, id="the other header is the client's"),
        pytest.param(None, [], "unknown", id="no peer"),
    ],
)
def test_the_address_is_what_the_last_of_our_proxies_saw(
    peer: str | None, headers: list[tuple[str, str]], address: str
) -> None:
    assert client_address(asked(peer, *headers)) == address


@pytest.mark.parametrize(
    ("value", "address"),
    [
        pytest.param(f"for=1.1.1.1, for={STRANGER};proto=https;by=10.0.0.5", STRANGER, id="two"),
        pytest.param('For="[2001:db8::7]:4711"', "2001:db8::7", id="quoted"),
        pytest.param("for=_hidden", PROXY, id="hidden"),
        pytest.param("proto=https", PROXY, id="without for"),
    ],
)
def test_a_proxy_that_writes_rfc_7239_is_read_so(
    value: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JIUYI_FORWARDED_HEADER", "Forwarded")
    settings.cache_clear()
    assert client_address(asked(PROXY, ("Forwarded", value), told("9.9.9.9"))) == address


def test_without_trusted_proxies_nobody_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JIUYI_TRUSTED_PROXIES")
    settings.cache_clear()
    assert client_address(asked("127.0.0.1", told(STRANGER))) == "127.0.0.1"


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("unknown", "unknown"),
    ],
)
def test_an_ipv6_client_counts_by_its_64(address: str, place: str) -> None:
    assert counted_place(address) == place


def test_the_scheme_is_believed_only_of_a_trusted_proxy() -> None:
    https = ("X-Forwarded-Proto", "https")
    assert is_secure(asked(PROXY, https))
    assert not is_secure(asked(STRANGER, https))
    assert not is_secure(asked(PROXY))
    assert is_secure(asked(STRANGER, scheme="https"))


def test_this_machine_is_a_loopback_peer_that_speaks_for_itself() -> None:
    assert is_on_this_machine(asked("127.0.0.1"))
    assert is_on_this_machine(asked("::1"))
    assert not is_on_this_machine(asked("127.0.0.1", told("127.0.0.1")))
    assert not is_on_this_machine(asked("127.0.0.1", ("Forwarded", "for=127.0.0.1")))
    assert not is_on_this_machine(asked(PROXY, told(STRANGER)))
    assert not is_on_this_machine(asked(None))


def test_a_list_that_is_no_list_of_networks_is_refused() -> None:
    with pytest.raises(BadNetwork):
        networks("10.0.0.0/8, hospital")

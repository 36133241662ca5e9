"""Which names we answer to, and whose pages may open the websocket."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from litestar.connection import ASGIConnection

from app.edge.hosts import WrongHost, is_own_origin, refuse_foreign_host
from app.kernel.settings import settings

Setting = Callable[..., None]


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    def change(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()

    yield change
    monkeypatch.undo()
    settings.cache_clear()


def called(
    host: str, *, peer: str = "203.0.113.9", forwarded: str = ""
) -> ASGIConnection[Any, Any, Any, Any]:
    headers = [(b"host", host.encode())]
    if forwarded:
        headers += [(b"x-forwarded-host", forwarded.encode()), (b"x-forwarded-for", b"127.0.0.1")]
    return ASGIConnection({"type": "http", "client": (peer, 1), "headers": headers})  # type: ignore[arg-type] - the part that is read


@pytest.mark.parametrize("host", ["jiuyi.hospital.cn", "JIUYI.hospital.cn", "jiuyi.hospital.cn:443"])
def test_the_public_name_is_answered_to(host: str, setting: Setting) -> None:
    setting(JIUYI_PUBLIC_URL="https://jiuyi.hospital.cn")
    refuse_foreign_host(called(host))


@pytest.mark.parametrize(
    "host", ["evil.example", "jiuyi.hospital.cn:8443", "jiuyi.hospital.cn.evil.example", "127.0.0.1", ""]
)
def test_another_name_is_refused(host: str, setting: Setting) -> None:
    setting(JIUYI_PUBLIC_URL="https://jiuyi.hospital.cn")
    with pytest.raises(WrongHost):
        refuse_foreign_host(called(host))
    with pytest.raises(WrongHost):
        refuse_foreign_host(called(host, peer="127.0.0.1", forwarded="jiuyi.hospital.cn"))


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000"])
def test_this_machine_may_ask_by_a_loopback_name(host: str, setting: Setting) -> None:
    setting(JIUYI_PUBLIC_URL="https://jiuyi.hospital.cn")
    refuse_foreign_host(called(host, peer="127.0.0.1"))


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:8000", "http://[::1]:8000"])
def test_without_a_public_name_every_name_is_answered_to(url: str, setting: Setting) -> None:
    setting(JIUYI_PUBLIC_URL=url)
    refuse_foreign_host(called("anything.test"))


@pytest.mark.parametrize(
    ("origin", "host", "welcome"),
    [
        pytest.param(None, "hospital.test", True, id="a program"),
        pytest.param("http://hospital.test", "hospital.test", True, id="our own page"),
        pytest.param("https://evil.example", "hospital.test", False, id="another page"),
        pytest.param("null", "hospital.test", False, id="a sandboxed page"),
        pytest.param("http://hospital.test:81", "hospital.test", False, id="another port"),
    ],
)
def test_a_page_must_be_from_here(origin: str | None, host: str, welcome: bool) -> None:
    assert is_own_origin(origin, host) is welcome


@pytest.mark.parametrize(
    ("origin", "host", "welcome"),
    [
        pytest.param("https://jiuyi.hospital.cn", "jiuyi.hospital.cn", True, id="the public page"),
        pytest.param("http://jiuyi.hospital.cn", "jiuyi.hospital.cn", False, id="its unencrypted double"),
        pytest.param("https://h5.hospital.cn", "jiuyi.hospital.cn", True, id="on the list"),
        pytest.param("https://evil.example", "jiuyi.hospital.cn", False, id="another"),
        pytest.param("http://127.0.0.1:8000", "127.0.0.1:8000", True, id="on this machine"),
        pytest.param("https://evil.example", "127.0.0.1:8000", False, id="another, on this machine"),
    ],
)
def test_with_a_public_name_its_page_and_the_list_are_welcome(
    origin: str, host: str, welcome: bool, setting: Setting
) -> None:
    setting(JIUYI_PUBLIC_URL="https://jiuyi.hospital.cn", JIUYI_ALLOWED_ORIGINS="https://h5.hospital.cn/")
    assert is_own_origin(origin, host) is welcome

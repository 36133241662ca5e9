"""Requests against the policy: who is counted by what, and that bots get the policy and no more."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar, get

from app.edge import counting, limits
from app.edge.addresses import BadNetwork
from app.edge.limits import LIMITS, ROUTES, Group, Who, factor_of, group_of, own_networks
from app.kernel.http import EXCEPTION_HANDLERS
from app.kernel.ids import new_id
from app.kernel.settings import settings
from app.limiting import limit_requests
from app.main import app
from tests.make import identity

HOLD = "/api/mini-program/v1/appointments"
LOOK = "/api/mini-program/v1/persons"
STRANGER = "203.0.113.9"


class Bot:
    """Asks the hospital from any address with any token; time stands still meanwhile."""

    def __init__(self) -> None:
        asgi: Any = app
        self.transport = httpx.ASGITransport(asgi, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=self.transport, base_url="http://hospital.test")

    async def ask(
        self,
        path: str,
        token: str = "",
        *,
        address: str = STRANGER,
        window: UUID | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        self.transport.client = (address, 4711)
        headers = (headers or {}) | (identity.bearer(token) if token else {})
        if path == LOOK:
            return await self.http.get(path, headers=headers)
        body = {"session_id": str(new_id()), "window_id": str(window or new_id()), "person_id": str(new_id())}
        return await self.http.post(path, json=body, headers=headers)


@pytest.fixture
def bot(db: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bot]:
    monkeypatch.setenv("REDIS_URL", "")
    settings.cache_clear()
    counting.BUCKETS.forget()
    monkeypatch.setattr(counting.BUCKETS, "now", lambda: 1000.0)
    yield Bot()
    monkeypatch.undo()
    settings.cache_clear()


def network(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()


@contextmanager
def widened(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr(limits, "LIMITS", limits.scaled(1000))
        counting.BUCKETS.forget()
        yield


def passed(replies: list[httpx.Response]) -> int:
    return sum(reply.status_code != 429 for reply in replies)


def address(number: int) -> str:
    return f"198.51.{number // 250}.{number % 250}"


async def test_one_account_behind_a_thousand_addresses_gets_the_policy(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await identity.account_token()
    replies = [await bot.ask(HOLD, token, address=address(n)) for n in range(1000)]
    assert passed(replies) == LIMITS[Group.HOLD][Who.ACCOUNT].burst
    with widened(monkeypatch):
        assert passed([await bot.ask(HOLD, token, address=address(n)) for n in range(50)]) == 50


async def test_a_thousand_accounts_behind_one_address_get_the_policy(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = [await identity.account_token() for _ in range(1000)]
    assert passed([await bot.ask(HOLD, token) for token in tokens]) == LIMITS[Group.HOLD][Who.ADDRESS].burst
    with widened(monkeypatch):
        assert passed([await bot.ask(HOLD, token) for token in tokens[:50]]) == 50


async def test_a_spoofed_address_changes_nothing(bot: Bot) -> None:
    replies = [
        await bot.ask(HOLD, headers={"X-Forwarded-For": address(n), "Forwarded": f"for={address(n)}"})
        for n in range(100)
    ]
    assert passed(replies) == LIMITS[Group.HOLD][Who.ADDRESS].burst


async def test_a_64_is_one_address(bot: Bot) -> None:
    replies = [await bot.ask(HOLD, address=f"2001:db8:1:2::{n:x}") for n in range(1, 101)]
    assert passed(replies) == LIMITS[Group.HOLD][Who.ADDRESS].burst
    assert passed([await bot.ask(HOLD, address="2001:db8:1:3::1")]) == 1


async def test_the_same_window_is_asked_for_a_few_times_only(bot: Bot) -> None:
    token, window = await identity.account_token(), new_id()
    most = LIMITS[Group.HOLD][Who.NUMBER].burst
    replies = [await bot.ask(HOLD, token, window=window, address=address(n)) for n in range(20)]
    assert passed(replies) == most
    assert passed([await bot.ask(HOLD, token)]) == 1
    assert passed([await bot.ask(HOLD, await identity.account_token(), window=window)]) == 1


async def test_a_refusal_says_when_to_come_back(bot: Bot) -> None:
    while (reply := await bot.ask(HOLD)).status_code != 429:
        pass
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["retry-after"] == "2"  # thirty a minute
    assert reply.json()["code"] == "too_many_requests"
    assert reply.json()["detail"] == "操作过于频繁，请稍后再试。"


@pytest.mark.parametrize(
    ("place", "setting", "factor"),
    [
        pytest.param(STRANGER, "", 1, id="a stranger"),
        pytest.param("10.20.30.40", "", 20, id="hospital network"),
        pytest.param("192.168.1.7", "", 20, id="hospital Wi-Fi"),
        pytest.param("100.64.3.4", "", 20, id="carrier NAT"),
        pytest.param("fd00::7", "", 20, id="hospital IPv6"),
        pytest.param(STRANGER, "203.0.113.0/24=50", 50, id="a carrier's exit by setting"),
        pytest.param(STRANGER, "198.51.100.0/24=3, 203.0.113.9=exempt", 0, id="the hospital's exit"),
        pytest.param("10.20.30.40", "10.20.0.0/16=2", 2, id="the setting goes first"),
        pytest.param("127.0.0.1", "", 0, id="this machine"),
        pytest.param("unknown", "", 1, id="nobody knows"),
    ],
)
def test_networks_of_many_people_have_a_factor(
    place: str, setting: str, factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    network(monkeypatch, JIUYI_LIMIT_NETWORKS=setting)
    assert factor_of(place) == factor
    monkeypatch.undo()
    settings.cache_clear()


@pytest.mark.parametrize("text", ["10.0.0.0/8", "10.0.0.0/8=much", "hall=2", "10.0.0.0/8=-1"])
def test_a_list_of_networks_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(BadNetwork):
        own_networks(text)


async def test_a_friendly_network_frees_its_address_and_never_an_account(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    network(monkeypatch, JIUYI_LIMIT_NETWORKS=f"{STRANGER}=exempt,198.51.100.7=2")
    burst = LIMITS[Group.HOLD][Who.ADDRESS].burst
    assert passed([await bot.ask(HOLD) for _ in range(burst * 3)]) == burst * 3
    assert passed([await bot.ask(HOLD, address="198.51.100.7") for _ in range(burst * 3)]) == burst * 2
    token = await identity.account_token()
    replies = [await bot.ask(HOLD, token) for _ in range(50)]
    assert passed(replies) == LIMITS[Group.HOLD][Who.ACCOUNT].burst


async def test_a_proxy_that_nobody_told_of_opens_no_door(bot: Bot) -> None:
    replies = [
        await bot.ask(HOLD, address="127.0.0.1", headers={"X-Forwarded-For": address(n)}) for n in range(60)
    ]
    assert passed(replies) == LIMITS[Group.HOLD][Who.ADDRESS].burst
    assert passed([await bot.ask(HOLD, address="127.0.0.1") for _ in range(60)]) == 60


async def test_kinds_of_requests_do_not_pay_for_each_other(bot: Bot) -> None:
    token = await identity.account_token()
    while (await bot.ask(HOLD, token)).status_code != 429:
        pass
    assert (await bot.ask(LOOK, token)).status_code == 200


async def test_a_bad_token_is_counted_by_its_address_and_refused_by_the_route(bot: Bot) -> None:
    replies = [await bot.ask(HOLD, "rubbish") for _ in range(40)]
    assert passed(replies) == LIMITS[Group.HOLD][Who.ADDRESS].burst
    assert replies[0].status_code == 401


@pytest.mark.parametrize(
    ("method", "template", "group"),
    [
        ("POST", "/api/staff/v1/login", Group.LOGIN),
        ("POST", "/api/mini-program/v1/login", Group.LOGIN),
        ("POST", "/oauth/token", Group.TOKEN),
        ("POST", HOLD, Group.HOLD),
        ("POST", "/api/mini-program/v1/bills/{bill_id}/payments", Group.PAY),
        ("POST", "/api/bedside/v1/deposit/top-ups", Group.PAY),
        ("POST", "/api/kiosk/v1/identify", Group.IDENTIFY),
        ("POST", "/api/bedside/v1/unlock", Group.IDENTIFY),
        ("POST", "/rt/tickets", Group.TICKET),
        ("POST", "/pay/notify/wechat", Group.NOTICE),
        ("GET", HOLD, Group.READ),
        ("GET", "/readyz", Group.FREE),
        ("POST", "/api/kiosk/v1/check-ins", Group.WRITE),
    ],
)
def test_a_route_of_ours_is_in_its_group(method: str, template: str, group: Group) -> None:
    assert template in {route.path_format for route in app.routes}
    assert group_of(method, template) is group


def test_every_group_of_a_row_has_limits_and_every_limit_a_burst() -> None:
    assert set(LIMITS) == set(Group)
    assert {group for *_, group in ROUTES} <= set(LIMITS)
    assert all(rate.burst >= 1 and rate.per_minute > 0 for row in LIMITS.values() for rate in row.values())


async def test_a_route_can_name_its_group_itself(bot: Bot) -> None:
    @get("/odd", opt={"limit": "enrol"}, sync_to_thread=False)
    def odd() -> None: ...

    asgi: Any = Litestar(
        [odd], guards=[limit_requests], exception_handlers=EXCEPTION_HANDLERS, openapi_config=None
    )
    transport = httpx.ASGITransport(asgi, client=(STRANGER, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://hospital.test") as http:
        assert passed([await http.get("/odd") for _ in range(30)]) == LIMITS[Group.ENROL][Who.ADDRESS].burst

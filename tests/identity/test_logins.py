"""Codes are redeemed once with PKCE; passwords and keys prove who asks; platforms are asked outside."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from app.identity import alipay_login, channel_login, sessions, wechat_login
from app.identity.channel_settings import PlatformUnavailable
from app.identity.queries import DeviceNotFound, account_subject, device, devices_at
from app.identity.roles import Platform
from app.identity.wechat_login import LoginCodeRefused
from app.kernel import clock
from app.kernel.actor import ANONYMOUS, ActorKind, system
from app.kernel.ids import new_id
from tests.make import identity as make
from tests.make.rows import value

CHALLENGE, VERIFIER = make.CHALLENGE, make.VERIFIER


def login(kind: ActorKind = ActorKind.ACCOUNT, actor_id: UUID | None = None) -> sessions.Login:
    return sessions.Login(kind=kind, id=actor_id or new_id(), channel="mini_program", role="", auth_version=1)


async def code_for(account_id: UUID) -> str:
    return await sessions.grant_code(ANONYMOUS, login=login(actor_id=account_id), challenge=CHALLENGE)


async def test_a_code_becomes_a_token_once_and_a_second_try_ends_the_session(db: str) -> None:
    code = await code_for(await make.account())
    token = await sessions.redeem_code(code=code, verifier=VERIFIER)
    assert (token.token_type, token.expires_in) == ("Bearer", 900)
    with pytest.raises(sessions.GrantRefused):
        await sessions.redeem_code(code=code, verifier=VERIFIER)
    assert await value("SELECT revoked_at IS NOT NULL FROM login_session") is True


async def test_a_wrong_verifier_uses_the_code_up(db: str) -> None:
    code = await code_for(await make.account())
    for verifier in ("w" * 43, VERIFIER):
        with pytest.raises(sessions.GrantRefused):
            await sessions.redeem_code(code=code, verifier=verifier)
    assert await value("SELECT count(*) FROM login_session") == 0


@pytest.mark.parametrize("verifier", ["short", "v" * 129, "v" * 42 + "!"])
async def test_a_malformed_verifier_proves_nothing(db: str, verifier: str) -> None:
    code = await code_for(await make.account())
    with pytest.raises(sessions.GrantRefused):
        await sessions.redeem_code(code=code, verifier=verifier)


async def test_a_code_lives_a_minute(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code = await code_for(await make.account())
    later = clock.wall() + timedelta(seconds=sessions.CODE_SECONDS + 1)
    monkeypatch.setattr(clock, "wall", lambda: later)
    with pytest.raises(sessions.GrantRefused):
        await sessions.redeem_code(code=code, verifier=VERIFIER)


async def test_an_unknown_code_is_refused(db: str) -> None:
    with pytest.raises(sessions.GrantRefused):
        await sessions.redeem_code(code="no-such-code", verifier=VERIFIER)


@pytest.mark.parametrize("challenge", ["", "plain-verifier", "c" * 44, "c" * 42 + "="])
async def test_a_login_without_an_s256_challenge_is_refused(
    client: httpx.AsyncClient, challenge: str
) -> None:
    body = {"login_name": "nobody", "password": "x", "code_challenge": challenge}
    reply = await client.post("/api/staff/v1/login", json=body)
    assert (reply.status_code, reply.json()["code"]) == (422, "challenge_malformed")


async def test_the_code_challenge_method_cannot_be_talked_down(client: httpx.AsyncClient) -> None:
    body = {
        "grant_type": "authorization_code",
        "code": "x",
        "code_verifier": VERIFIER,
        "code_challenge_method": "plain",
    }
    assert (await client.post("/oauth/token", json=body)).status_code == 400
    body = {"grant_type": "password", "code": "x", "code_verifier": VERIFIER}
    assert (await client.post("/oauth/token", json=body)).status_code == 400


async def test_a_device_is_found_by_its_place(db: str) -> None:
    place = new_id()
    device_id, _ = await make.device(kind="hall_display", place_id=place)
    assert (await device(system("test"), device_id=device_id)).place_id == place
    with pytest.raises(DeviceNotFound):
        await device(system("test"), device_id=new_id())
    assert [d.id for d in await devices_at(system("test"), place_id=place)] == [device_id]


async def test_the_public_keys_are_published(client: httpx.AsyncClient) -> None:
    keys = (await client.get("/.well-known/jwks.json")).json()["keys"]
    assert [(key["kty"], key["alg"]) for key in keys] == [("EC", "ES256")]


Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch, data_folder: Path) -> Callable[[Answer], None]:
    """Let the outside world answer as a test says, and write the platforms' settings."""
    folder = data_folder / "simulators"
    folder.mkdir(exist_ok=True)
    settings = {"base_url": "http://wechat.test", "appid": "wx1", "app_secret": "app-secret"}
    (folder / "wechat_pay.json").write_bytes(msgspec.json.encode(settings))

    def answer(with_: Answer) -> None:
        real = httpx.AsyncClient

        def fake(**options: Any) -> httpx.AsyncClient:
            return real(**options, transport=httpx.MockTransport(with_))

        monkeypatch.setattr(httpx, "AsyncClient", fake)

    return answer


async def test_wechat_tells_the_openid(
    platform: Callable[[Answer], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    asked: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(200, json={"openid": "o-1", "session_key": "k"})

    platform(answer)
    assert await wechat_login.subject_of("js-code") == "o-1"
    assert asked[0].path == "/sns/jscode2session"
    assert asked[0].params["js_code"] == "js-code"
    assert asked[0].params["secret"] == "app-secret"
    assert "app-secret" not in caplog.text


@pytest.mark.parametrize("code", ["", "x" * 300])
async def test_a_code_that_cannot_be_one_is_not_asked_about(code: str) -> None:
    with pytest.raises(LoginCodeRefused):
        await wechat_login.subject_of(code)
    with pytest.raises(LoginCodeRefused):
        await alipay_login.subject_of(code)


@pytest.mark.parametrize(
    ("reply", "refusal"),
    [
        pytest.param(httpx.Response(200, json={"errcode": 40029}), LoginCodeRefused, id="invalid code"),
        pytest.param(httpx.Response(200, json={"errcode": 40163}), LoginCodeRefused, id="used code"),
        pytest.param(httpx.Response(200, json={"errcode": -1}), PlatformUnavailable, id="busy"),
        pytest.param(httpx.Response(200, json={}), PlatformUnavailable, id="nothing said"),
        pytest.param(httpx.Response(502), PlatformUnavailable, id="bad gateway"),
        pytest.param(httpx.Response(200, text="<html>"), PlatformUnavailable, id="not JSON"),
    ],
)
async def test_wechat_refuses_or_is_away(
    platform: Callable[[Answer], None], reply: httpx.Response, refusal: type[Exception]
) -> None:
    platform(lambda _: reply)
    with pytest.raises(refusal):
        await wechat_login.subject_of("js-code")


async def test_a_silent_platform_is_unavailable_and_leaves_nothing(
    db: str, platform: Callable[[Answer], None]
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("https://secret.test?secret=app-secret", request=request)

    platform(answer)
    with pytest.raises(PlatformUnavailable) as refusal:
        await channel_login.log_in_account(platform=Platform.WECHAT, code="c", challenge=CHALLENGE)
    assert refusal.value.__cause__ is None, "its text holds the app secret"
    assert await value("SELECT count(*) FROM account") == 0


async def test_a_platform_without_settings_is_unavailable(
    platform: Callable[[Answer], None], data_folder: Path
) -> None:
    (data_folder / "simulators/wechat_pay.json").unlink()
    with pytest.raises(PlatformUnavailable):
        await wechat_login.subject_of("js-code")


async def test_one_subject_is_one_account_on_its_platform(
    db: str, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def same(code: str) -> str:
        return "subject-1"

    monkeypatch.setattr(channel_login, "ASK_PLATFORM", {Platform.WECHAT: same, Platform.ALIPAY: same})
    for name in ("wechat", "wechat", "alipay"):
        body = {"platform": name, "code": "c", "code_challenge": CHALLENGE}
        reply = await client.post("/api/mini-program/v1/login", json=body)
        assert reply.status_code == 200
    assert await value("SELECT count(*) FROM account") == 2
    account_id = await value("SELECT account_id FROM account_login WHERE platform = 'wechat'")
    told = await account_subject(system("test"), account_id=account_id, platform=Platform.WECHAT)
    assert told == "subject-1"
    assert await account_subject(system("test"), account_id=new_id(), platform=Platform.WECHAT) is None
    assert "subject-1" not in await value("SELECT json_agg(account_login)::text FROM account_login")


async def test_a_disabled_account_gets_no_code(db: str) -> None:
    account_id = await channel_login.ensure_account(
        system("test"), platform=Platform.WECHAT, subject="subject-2"
    )
    await value("UPDATE account SET disabled_at = now() WHERE id = $1", account_id)

    async def known(code: str) -> str:
        return "subject-2"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(channel_login, "ASK_PLATFORM", {Platform.WECHAT: known})
        with pytest.raises(channel_login.AccountDisabled):
            await channel_login.log_in_account(platform=Platform.WECHAT, code="c", challenge=CHALLENGE)


@pytest.mark.commits
async def test_first_logins_at_the_same_moment_make_one_account(db: str) -> None:
    async def first() -> UUID:
        return await channel_login.ensure_account(system("test"), platform=Platform.WECHAT, subject="racer")

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(first()) for _ in range(8)]
    assert len({task.result() for task in tasks}) == 1
    assert await value("SELECT count(*) FROM account") == 1

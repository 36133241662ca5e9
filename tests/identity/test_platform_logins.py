"""The real protocols against both platforms' simulators: a login code becomes a person's token."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.make import identity
from tests.simulated import Platforms, platforms_running

PAYER_KEY = {"wechat_pay": "openid", "alipay": "user_id"}


@pytest.fixture(scope="module")
def platforms(data_folder: Path) -> Iterator[Platforms]:
    with platforms_running(data_folder / "simulators") as running:
        yield running


async def login_code(platforms: Platforms, name: str) -> str:
    payer = await platforms.call(name, "POST", "/payers")
    codes = await platforms.call(name, "POST", f"/payers/{payer[PAYER_KEY[name]]}/login-codes")
    return codes["code"]


@pytest.mark.parametrize(("platform", "name"), [("wechat", "wechat_pay"), ("alipay", "alipay")])
async def test_a_person_logs_in_from_the_phone(
    client: httpx.AsyncClient, platforms: Platforms, platform: str, name: str
) -> None:
    code = await login_code(platforms, name)
    asked = {"platform": platform, "code": code, "code_challenge": identity.CHALLENGE}
    reply = await client.post("/api/mini-program/v1/login", json=asked)
    assert reply.status_code == 200, reply.text
    redeemed = {
        "grant_type": "authorization_code",
        "code": reply.json()["code"],
        "code_verifier": identity.VERIFIER,
    }
    token = (await client.post("/oauth/token", json=redeemed)).json()["access_token"]
    persons = await client.get("/api/mini-program/v1/persons", headers=identity.bearer(token))
    assert (persons.status_code, persons.json()) == (200, {"items": []})
    again = await client.post("/api/mini-program/v1/login", json=asked)
    assert (again.status_code, again.json()["code"]) == (401, "login_code_refused")

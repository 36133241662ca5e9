"""Staff at the login page, as tests see them."""

from typing import Any

import httpx

from tests.make import identity as make

STAFF = "/api/staff/v1"
PASSWORD = "right-password"


async def tries(
    client: httpx.AsyncClient, name: str, password: str = PASSWORD, **proof: Any
) -> httpx.Response:
    body = {"login_name": name, "password": password, "code_challenge": make.CHALLENGE, **proof}
    return await client.post(f"{STAFF}/login", json=body)


async def redeemed(client: httpx.AsyncClient, reply: httpx.Response) -> dict[str, str]:
    """The headers of somebody whose login succeeded."""
    assert reply.status_code == 200, reply.text
    body = {
        "grant_type": "authorization_code",
        "code": reply.json()["code"],
        "code_verifier": make.VERIFIER,
    }
    token = await client.post("/oauth/token", json=body)
    return make.bearer(token.json()["access_token"])


async def logged_in(
    client: httpx.AsyncClient, name: str, password: str = PASSWORD, **proof: Any
) -> dict[str, str]:
    return await redeemed(client, await tries(client, name, password, **proof))


def refusal(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]

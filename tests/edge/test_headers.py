"""Every reply carries the security headers, whoever answers."""

from typing import Any

import httpx
import pytest

from app.edge.headers import DATA_POLICY, PAGE_POLICY
from app.main import app
from tests.make import identity

REPLIES = [
    pytest.param("GET", "/healthz", 200, id="alive"),
    pytest.param("GET", "/nowhere", 404, id="no such route"),
    pytest.param("PUT", "/healthz", 405, id="no such method"),
    pytest.param("GET", "/api/mini-program/v1/bills", 401, id="not signed in"),
    pytest.param("POST", "/oauth/token", 400, id="malformed"),
    pytest.param("POST", "/pay/notify/wechat", 503, id="no channel set up"),
    pytest.param("GET", "/schema/openapi.json", 200, id="the description"),
    pytest.param("GET", "/.well-known/jwks.json", 200, id="keys"),
]


@pytest.mark.parametrize(("method", "path", "status"), REPLIES)
async def test_a_reply_is_data_and_nothing_else(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    reply = await client.request(method, path)
    assert reply.status_code == status
    headers = reply.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert headers["content-security-policy"] == DATA_POLICY.decode()
    assert headers["cache-control"] == "no-store"
    assert {"server", "set-cookie", "access-control-allow-origin", "x-powered-by"}.isdisjoint(headers)
    assert "strict-transport-security" not in headers


async def test_a_patients_reply_is_stored_nowhere(client: httpx.AsyncClient) -> None:
    reply = await client.get(
        "/api/mini-program/v1/persons", headers=identity.bearer(await identity.account_token())
    )
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "no-store")


async def test_a_page_runs_only_our_own_files(client: httpx.AsyncClient) -> None:
    policy = (await client.get("/ui/kiosk")).headers["content-security-policy"]
    assert policy == PAGE_POLICY.decode()
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")


async def test_over_tls_the_browser_is_told_to_stay_there(db: str) -> None:
    asgi: Any = app
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(asgi), base_url="https://hospital.test"
    ) as http:
        headers = (await http.get("/healthz")).headers
    assert headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"


@pytest.mark.parametrize("reader", ["", "/swagger", "/redoc", "/elements", "/rapidoc"])
async def test_no_reader_of_the_description_loads_foreign_scripts(
    client: httpx.AsyncClient, reader: str
) -> None:
    reply = await client.get(f"/schema{reader}")
    assert "<script" not in reply.text


async def test_a_foreign_page_is_given_no_leave_to_read(client: httpx.AsyncClient) -> None:
    reply = await client.options(
        "/oauth/token", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    )
    assert "access-control-allow-origin" not in reply.headers

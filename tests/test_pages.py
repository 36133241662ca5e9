"""The built screens as a browser gets them."""

from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from litestar import Litestar

from app.edge.headers import add_headers
from app.pages import pages_router


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "kiosk-1a2b3c4d.js").write_text("export {};", encoding="utf-8")
    (tmp_path / "kiosk.html").write_text("<!doctype html><title>自助报到</title>", encoding="utf-8")
    return tmp_path


@pytest.fixture
async def screen(built: Path) -> httpx.AsyncClient:
    app = Litestar([pages_router(built)], openapi_config=None, before_send=[add_headers])
    return httpx.AsyncClient(transport=httpx.ASGITransport(cast(Any, app)), base_url="http://hospital")


async def test_a_screen_is_served_under_its_fixed_address(screen: httpx.AsyncClient) -> None:
    page = await screen.get("/ui/kiosk")

    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "自助报到" in page.text


async def test_a_screen_is_never_stored_and_talks_only_to_its_own_hospital(
    screen: httpx.AsyncClient,
) -> None:
    headers = (await screen.get("/ui/kiosk")).headers

    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "connect-src 'self';" in headers["content-security-policy"]


async def test_hashed_assets_are_kept_for_good(screen: httpx.AsyncClient) -> None:
    script = await screen.get("/ui/assets/kiosk-1a2b3c4d.js")

    assert script.status_code == 200
    assert "immutable" in script.headers["cache-control"]


async def test_a_page_that_is_not_built_says_what_to_do(screen: httpx.AsyncClient) -> None:
    page = await screen.get("/ui/display")

    assert page.status_code == 503
    assert "make setup" in page.text


@pytest.mark.parametrize("path", ["/ui/assets/none.js", "/ui/assets/../kiosk.html", "/ui/office"])
async def test_nothing_else_is_served(screen: httpx.AsyncClient, path: str) -> None:
    assert (await screen.get(path)).status_code == 404

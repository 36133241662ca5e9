"""A new screen becomes a device of the hospital: by a code that is typed, or by a link that carries it."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import HALL, KIOSK
from tests.browser.hospital import Hospital
from tests.browser.watching import Watched, barriers

NETWORK = "Failed to load resource"
KEPT = """() => new Promise((resolve) => {
  const opening = indexedDB.open("jiuyi", 1);
  opening.onsuccess = () => {
    const asked = opening.result.transaction("identity").objectStore("identity").get(location.pathname);
    asked.onsuccess = async () => {
      const { key, jwk } = asked.result;
      const read = await crypto.subtle.exportKey("jwk", key).then(() => "read", (error) => error.name);
      opening.result.close();
      resolve({ type: key.type, read, jwk, local: JSON.stringify(localStorage) });
    };
  };
})"""


def kept(page: Page) -> dict[str, Any]:
    return page.evaluate(KEPT)


def test_a_kiosk_is_enrolled_by_a_typed_code(page: Page, hospital: Hospital, watched: Watched) -> None:
    watched.expected = NETWORK
    page.set_viewport_size(KIOSK)  # type: ignore[arg-type] - a plain dict is a ViewportSize
    page.goto(hospital.kiosk.address)
    page.get_by_role("heading", name="这台机器还没有登记").wait_for()
    assert barriers(page) == []

    field = page.get_by_label("登记码")
    field.press_sequentially("22222-22222")
    page.get_by_role("button", name="登记").click()
    expect(page.get_by_role("alert")).to_contain_text("登记码无效")

    field.fill("")
    field.press_sequentially(hospital.offer("kiosk").lower())
    field.press("Enter")
    page.get_by_role("heading", name="自助报到").wait_for()
    held = kept(page)
    assert (held["type"], held["read"]) == ("private", "InvalidAccessError"), "no script can read the key"
    assert "d" not in held["jwk"]

    page.reload()
    page.get_by_role("heading", name="自助报到").wait_for()
    assert kept(page)["jwk"] == held["jwk"]


def test_a_display_is_enrolled_by_a_link(page: Page, hospital: Hospital, watched: Watched) -> None:
    page.set_viewport_size(HALL)  # type: ignore[arg-type] - a plain dict is a ViewportSize
    page.goto(f"{hospital.display.address}#code={hospital.offer('hall_display')}")

    page.get_by_test_id("now").wait_for()
    assert page.url == hospital.display.address


def test_a_handed_key_cannot_be_read_again(kiosk: Page) -> None:
    held = kept(kiosk)
    assert held["read"] == "InvalidAccessError"
    assert "private_jwk" not in held["local"]


@pytest.mark.parametrize("hours", [-5, 5], ids=["late", "early"])
def test_a_screen_with_a_wrong_clock_works(
    page: Page, hospital: Hospital, watched: Watched, hours: int
) -> None:
    watched.expected = NETWORK
    page.set_viewport_size(KIOSK)  # type: ignore[arg-type] - a plain dict is a ViewportSize
    page.add_init_script(f"const now = Date.now.bind(Date); Date.now = () => now() + {hours} * 3_600_000;")
    page.goto(hospital.kiosk.link)

    page.get_by_role("heading", name="自助报到").wait_for()

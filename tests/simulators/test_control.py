"""The control API is for this machine's own page and programs, whatever a website tries."""

import pytest

from tests.simulators.conftest import Simulators

WX = "wechat_pay"


def asked(simulators: Simulators, **headers: str) -> int:
    address = simulators.cards[WX]["control_url"] + "/payers"
    return simulators.http.post(address, json={}, headers=headers).status_code


def test_programs_and_the_own_page_may_call(simulators: Simulators) -> None:
    own = simulators.cards[WX]["control_url"]
    assert asked(simulators) == 201
    assert asked(simulators, origin=own) == 201
    port = own.rpartition(":")[2]
    assert asked(simulators, host=f"localhost:{port}", origin=f"http://localhost:{port}") == 201


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "null", "http://localhost"])
def test_another_page_may_not(simulators: Simulators, origin: str) -> None:
    before = len(simulators.control(WX, "GET", "/payers")["items"])
    assert asked(simulators, origin=origin) == 403
    assert len(simulators.control(WX, "GET", "/payers")["items"]) == before


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example@127.0.0.1", "[::1"])
def test_a_name_that_was_pointed_here_may_not(simulators: Simulators, host: str) -> None:
    """DNS rebinding: the browser believes it speaks to its own website, and Origin equals Host."""
    assert asked(simulators, host=host) == 403
    assert asked(simulators, host=host, origin=f"http://{host}") == 403
    address = simulators.cards[WX]["control_url"] + "/book"
    assert simulators.http.get(address, headers={"host": host}).status_code == 403


def test_every_control_port_has_its_page_and_nothing_else_of_the_folder(simulators: Simulators) -> None:
    for name, card in simulators.cards.items():
        page = simulators.http.get(card["control_url"] + "/")
        assert page.status_code == 200
        assert f'data-platform="{name}"' in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert simulators.http.get(card["control_url"] + "/phone/phone.css").status_code == 200
        for hidden in ("pages.py", "page.html", "..%2Fmain.py", "nothing.js"):
            assert simulators.http.get(card["control_url"] + f"/phone/{hidden}").status_code == 404


def test_every_platform_answers_before_anything_has_happened(simulators: Simulators) -> None:
    for name in simulators.cards:
        for path in ("/healthz", "/book", "/book/entries", "/notices", "/faults"):
            assert simulators.control_answer(name, "GET", path).status_code in (200, 404), (name, path)
        assert simulators.control(name, "GET", "/faults")["armed"] == []

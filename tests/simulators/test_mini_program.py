"""The mini-program platform: codes work once, the token is stable, the phone number has its own code."""

import time
from datetime import timedelta

import pytest

from app.kernel.clock import wall
from simulators import people
from tests.simulators.conftest import Simulators
from tests.simulators.raw_mini_program import (
    login_code,
    new_payer,
    phone,
    send,
    session,
    token,
)
from tests.simulators.raw_wechat_pay import WX


def test_a_login_code_tells_the_openid_once(simulators: Simulators) -> None:
    openid = new_payer(simulators)
    code = login_code(simulators, openid)
    assert session(simulators, code, appid="wx0000000000000000")["errcode"] == 40013
    assert session(simulators, code, secret="guess")["errcode"] == 40125
    assert session(simulators, code, grant_type="password")["errcode"] == 40002
    told = session(simulators, code)
    assert told["openid"] == openid
    assert told["session_key"]
    assert session(simulators, code)["errcode"] == 40029
    assert session(simulators, "never issued")["errcode"] == 40029


def later(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """So many seconds of wall time later, as far as codes are concerned."""
    monkeypatch.setattr(people, "wall", lambda: wall() + timedelta(seconds=seconds))


def test_a_code_lives_five_minutes(simulators: Simulators, monkeypatch: pytest.MonkeyPatch) -> None:
    openid = new_payer(simulators)
    in_time, late = login_code(simulators, openid), login_code(simulators, openid)
    simulators.clock.forward(days=1)
    later(monkeypatch, 295)
    assert session(simulators, in_time)["openid"] == openid
    later(monkeypatch, 301)
    assert session(simulators, late)["errcode"] == 40029


def test_nobody_logs_in_more_than_a_hundred_times_a_minute(simulators: Simulators) -> None:
    openid = new_payer(simulators)
    for _ in range(100):
        assert session(simulators, login_code(simulators, openid))["openid"] == openid
    assert session(simulators, login_code(simulators, openid))["errcode"] == 45011
    other = new_payer(simulators)
    assert session(simulators, login_code(simulators, other))["openid"] == other
    simulators.clock.forward(seconds=60)
    assert session(simulators, login_code(simulators, openid))["openid"] == openid


@pytest.mark.sees(WX, "risk_blocked")
def test_a_distrusted_person_does_not_come_in(simulators: Simulators) -> None:
    openid, other = new_payer(simulators), new_payer(simulators)
    simulators.control(WX, "POST", "/faults", name="risk_blocked", reference=openid)
    assert session(simulators, login_code(simulators, other))["openid"] == other
    assert session(simulators, login_code(simulators, openid))["errcode"] == 40226
    assert session(simulators, login_code(simulators, openid))["openid"] == openid


def test_the_token_stays_until_it_is_refreshed_by_force(simulators: Simulators) -> None:
    first = token(simulators)
    assert 300 <= first["expires_in"] <= 7200
    assert token(simulators)["access_token"] == first["access_token"]
    assert token(simulators, force_refresh=True)["access_token"] != first["access_token"]
    assert send(simulators, first["access_token"], "o")["errcode"] == 40001
    assert token(simulators, secret="guess")["errcode"] == 40125
    assert token(simulators, grant_type="password")["errcode"] == 40002
    assert token(simulators, appid=1)["errcode"] == 47001


def test_for_its_last_five_minutes_the_old_token_is_good_beside_the_new(simulators: Simulators) -> None:
    simulators.clock.forward(days=1)
    old = token(simulators)
    simulators.clock.forward(seconds=old["expires_in"] - 310)
    assert token(simulators)["access_token"] == old["access_token"]
    simulators.clock.forward(seconds=15)
    new = token(simulators)
    assert new["access_token"] != old["access_token"]
    for good in (old, new):
        assert send(simulators, good["access_token"], "o")["errcode"] == 40003
    simulators.clock.forward(seconds=300)
    assert send(simulators, old["access_token"], "o")["errcode"] == 42001
    assert send(simulators, new["access_token"], "o")["errcode"] == 40003


def test_force_is_used_twenty_times_a_day_and_half_a_minute_apart(simulators: Simulators) -> None:
    simulators.clock.forward(days=1)
    first = token(simulators, force_refresh=True)["access_token"]
    assert token(simulators, force_refresh=True)["access_token"] == first
    seen = {first}
    for _ in range(19):
        simulators.clock.forward(seconds=30)
        seen.add(token(simulators, force_refresh=True)["access_token"])
    assert len(seen) == 20
    simulators.clock.forward(seconds=30)
    assert token(simulators, force_refresh=True)["errcode"] == 45009
    assert token(simulators)["access_token"] in seen
    simulators.clock.forward(days=1)
    assert token(simulators, force_refresh=True)["access_token"] not in seen


def test_a_phone_code_tells_the_number_once(simulators: Simulators) -> None:
    openid, access = new_payer(simulators), token(simulators)["access_token"]
    simulators.control(WX, "POST", f"/payers/{openid}/phone-number", number="19900001234")
    issued = simulators.control(WX, "POST", f"/payers/{openid}/phone-codes")
    assert phone(simulators, "guess", issued["code"])["errcode"] == 40001
    assert phone(simulators, "", issued["code"])["errcode"] == 41001
    told = phone(simulators, access, issued["code"])
    stamp = told["phone_info"]["watermark"].pop("timestamp")
    assert told == {
        "errcode": 0,
        "errmsg": "ok",
        "phone_info": {
            "phoneNumber": "19900001234",
            "purePhoneNumber": "19900001234",
            "countryCode": "86",
            "watermark": {"appid": simulators.cards[WX]["appid"]},
        },
    }
    assert abs(stamp - time.time() - simulators.clock.offset.total_seconds()) < 5
    assert phone(simulators, access, issued["code"])["errcode"] == 40029


def test_a_login_code_is_no_phone_code_and_neither_the_other_way(simulators: Simulators) -> None:
    openid, access = new_payer(simulators), token(simulators)["access_token"]
    for_login = login_code(simulators, openid)
    for_phone = simulators.control(WX, "POST", f"/payers/{openid}/phone-codes")["code"]
    assert phone(simulators, access, for_login)["errcode"] == 40029
    assert session(simulators, for_phone)["errcode"] == 40029
    assert phone(simulators, access, for_phone)["errcode"] == 0
    assert session(simulators, for_login)["openid"] == openid


def test_a_phone_code_lives_five_minutes_and_is_for_one_person(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    openid = new_payer(simulators)
    codes = [simulators.control(WX, "POST", f"/payers/{openid}/phone-codes")["code"] for _ in range(3)]
    access = token(simulators)["access_token"]
    assert phone(simulators, access, codes[0], openid=new_payer(simulators))["errcode"] == 40003
    assert phone(simulators, access, codes[1], openid=openid)["errcode"] == 0
    later(monkeypatch, 301)
    assert phone(simulators, token(simulators)["access_token"], codes[2])["errcode"] == 40029


def test_a_number_stays_and_a_foreign_one_carries_its_country(simulators: Simulators) -> None:
    openid, access = new_payer(simulators), token(simulators)["access_token"]
    path = f"/payers/{openid}/phone-codes"
    made_up = [simulators.control(WX, "POST", path)["number"] for _ in range(2)]
    assert made_up[0] == made_up[1]
    assert made_up[0].startswith("199")
    simulators.control(WX, "POST", f"/payers/{openid}/phone-number", number="51234567", country_code="852")
    info = phone(simulators, access, simulators.control(WX, "POST", path)["code"])["phone_info"]
    assert (info["phoneNumber"], info["purePhoneNumber"]) == ("+852 51234567", "51234567")
    assert info["countryCode"] == "852"


@pytest.mark.parametrize(("fault", "errcode"), [("error_before", -1), ("busy", 45011)])
def test_the_platform_can_be_busy_before_it_looks(simulators: Simulators, fault: str, errcode: int) -> None:
    openid = new_payer(simulators)
    code = login_code(simulators, openid)
    simulators.control(WX, "POST", "/faults", name=fault, endpoint="jscode2session")
    assert session(simulators, code)["errcode"] == errcode
    assert session(simulators, code)["openid"] == openid


def test_a_code_is_used_up_even_if_the_answer_is_an_error(simulators: Simulators) -> None:
    openid = new_payer(simulators)
    code = login_code(simulators, openid)
    simulators.control(WX, "POST", "/faults", name="error_after", endpoint="jscode2session")
    assert session(simulators, code)["errcode"] == -1
    assert session(simulators, code)["errcode"] == 40029

"""The mini-program platform: codes work once, consents are used up, the token is stable."""

from typing import Any

import pytest

from tests.simulators.conftest import Simulators

WX = "wechat_pay"


def session(simulators: Simulators, code: str, **change: str) -> dict[str, Any]:
    card = simulators.cards[WX]
    asked = {
        "appid": card["appid"],
        "secret": card["app_secret"],
        "js_code": code,
        "grant_type": "authorization_code",
        **change,
    }
    answer = simulators.http.get(card["base_url"] + "/sns/jscode2session", params=asked)
    assert answer.status_code == 200
    return answer.json()


def token(simulators: Simulators, **change: Any) -> dict[str, Any]:
    card = simulators.cards[WX]
    asked = {
        "grant_type": "client_credential",
        "appid": card["appid"],
        "secret": card["app_secret"],
        **change,
    }
    return simulators.http.post(card["base_url"] + "/cgi-bin/stable_token", json=asked).json()


def send(simulators: Simulators, access_token: str, openid: str, **data: str) -> dict[str, Any]:
    message = {
        "touser": openid,
        "template_id": "report-ready",
        "page": "pages/reports/index",
        "data": {name: {"value": value} for name, value in data.items()},
    }
    return simulators.http.post(
        simulators.cards[WX]["base_url"] + "/cgi-bin/message/subscribe/send",
        params={"access_token": access_token},
        json=message,
    ).json()


def new_payer(simulators: Simulators) -> str:
    return simulators.control(WX, "POST", "/payers")["openid"]


def test_a_login_code_tells_the_openid_once(simulators: Simulators) -> None:
    openid = new_payer(simulators)
    code = simulators.control(WX, "POST", f"/payers/{openid}/login-codes")["code"]
    assert session(simulators, code, appid="wx0000000000000000")["errcode"] == 40013
    assert session(simulators, code, secret="guess")["errcode"] == 40125
    assert session(simulators, code, grant_type="password")["errcode"] == 40002
    told = session(simulators, code)
    assert told["openid"] == openid
    assert told["session_key"]
    assert session(simulators, code)["errcode"] == 40029
    assert session(simulators, "never issued")["errcode"] == 40029


def test_the_token_stays_until_it_is_refreshed_by_force(simulators: Simulators) -> None:
    first = token(simulators)
    assert 300 <= first["expires_in"] <= 7200
    assert token(simulators)["access_token"] == first["access_token"]
    assert token(simulators, force_refresh=True)["access_token"] != first["access_token"]
    assert send(simulators, first["access_token"], "o")["errcode"] == 40001
    assert token(simulators, secret="guess")["errcode"] == 40125
    assert token(simulators, grant_type="password")["errcode"] == 40002
    assert token(simulators, appid=1)["errcode"] == 47001


def test_one_consent_is_one_message(simulators: Simulators) -> None:
    openid, access = new_payer(simulators), token(simulators)["access_token"]
    assert send(simulators, access, openid, thing1="检验报告")["errcode"] == 43101
    grant = {"template_id": "report-ready", "count": 1}
    simulators.control(WX, "POST", f"/payers/{openid}/grants", **grant)
    assert send(simulators, access, openid, thing1="检验报告已出")["errcode"] == 0
    assert send(simulators, access, openid, thing1="检验报告已出")["errcode"] == 43101
    got = simulators.control(WX, "GET", f"/payers/{openid}/messages")["items"]
    assert [(m["template_id"], m["data"]) for m in got] == [("report-ready", {"thing1": "检验报告已出"})]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("thing1", "检验报告", "长" * 21),
        ("number2", "12", "twelve"),
        ("character_string3", "A-012", "中文"),
        ("time4", "2026年11月23日 09:30", "soon"),
        ("date5", "2026-11-23", "soon"),
        ("amount6", "¥12.50", "much"),
        ("phrase7", "已完成", "done"),
        ("name8", "张三", "1"),
    ],
)
def test_a_field_holds_what_its_kind_allows(simulators: Simulators, name: str, good: str, bad: str) -> None:
    openid, access = new_payer(simulators), token(simulators)["access_token"]
    simulators.control(WX, "POST", f"/payers/{openid}/grants", template_id="report-ready")
    assert send(simulators, access, openid, **{name: bad})["errcode"] == 47003
    assert send(simulators, access, openid, **{name: good})["errcode"] == 0
    assert send(simulators, access, openid, unknown1="x")["errcode"] == 47003
    assert send(simulators, access, "o" * 28, **{name: good})["errcode"] == 40003


@pytest.mark.parametrize(("fault", "errcode"), [("error_before", -1), ("busy", 45011)])
def test_the_platform_can_be_busy_before_it_looks(simulators: Simulators, fault: str, errcode: int) -> None:
    openid = new_payer(simulators)
    code = simulators.control(WX, "POST", f"/payers/{openid}/login-codes")["code"]
    simulators.control(WX, "POST", "/faults", name=fault, endpoint="jscode2session")
    assert session(simulators, code)["errcode"] == errcode
    assert session(simulators, code)["openid"] == openid


def test_a_code_is_used_up_even_if_the_answer_is_an_error(simulators: Simulators) -> None:
    openid = new_payer(simulators)
    code = simulators.control(WX, "POST", f"/payers/{openid}/login-codes")["code"]
    simulators.control(WX, "POST", "/faults", name="error_after", endpoint="jscode2session")
    assert session(simulators, code)["errcode"] == -1
    assert session(simulators, code)["errcode"] == 40029

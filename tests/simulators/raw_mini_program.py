"""The mini-program's server side, as its documentation says it calls the platform."""

from typing import Any

from tests.simulators.conftest import Simulators
from tests.simulators.raw_wechat_pay import WX

TEMPLATE = "report-ready"


def login_code(simulators: Simulators, openid: str) -> str:
    return simulators.control(WX, "POST", f"/payers/{openid}/login-codes")["code"]


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


def call(simulators: Simulators, path: str, access_token: str, content: dict[str, Any]) -> dict[str, Any]:
    answer = simulators.http.post(
        simulators.cards[WX]["base_url"] + path, params={"access_token": access_token}, json=content
    )
    assert answer.status_code == 200
    return answer.json()


def phone(simulators: Simulators, access_token: str, code: str, **more: Any) -> dict[str, Any]:
    return call(simulators, "/wxa/business/getuserphonenumber", access_token, {"code": code, **more})


def send(
    simulators: Simulators,
    access_token: str,
    openid: str,
    *,
    page: str = "pages/reports/index?id=1",
    template_id: str = TEMPLATE,
    **data: str,
) -> dict[str, Any]:
    message = {
        "touser": openid,
        "template_id": template_id,
        "page": page,
        "data": {name: {"value": value} for name, value in data.items()},
    }
    return call(simulators, "/cgi-bin/message/subscribe/send", access_token, message)


def new_payer(simulators: Simulators) -> str:
    return simulators.control(WX, "POST", "/payers")["openid"]


def grant(simulators: Simulators, openid: str, template_id: str = TEMPLATE) -> None:
    simulators.control(WX, "POST", f"/payers/{openid}/grants", template_id=template_id)

"""Subscription messages: one consent is one message, fields hold what their kind allows."""

from collections.abc import Iterator

import pytest

from tests.simulators.conftest import Simulators
from tests.simulators.raw_mini_program import TEMPLATE, grant, new_payer, send, token
from tests.simulators.raw_wechat_pay import WX

FIELDS = {
    "thing": (["检验报告", "A" * 20, "3 号楼，请带医保卡!"], ["长" * 21, "", "第一行\n第二行"]),
    "number": (["12", "12.50", "1" * 32], ["twelve", "1.2.3", "-1", "1" * 33, "１２"]),
    "letter": (["Report"], ["Report 1", "报告", "a" * 33]),
    "symbol": (["!?", "￥"], ["a", "!!!!!!", "1"]),
    "character_string": (["A-012", "x" * 32], ["中文", "x" * 33, "a b"]),
    "time": (
        ["09:30", "09:30:15", "2026年11月23日 09:30", "2026-11-23 09:30~2026-11-23 10:00", "08:00~09:00"],
        ["24:00", "9:3", "soon", "2026-11-23"],
    ),
    "date": (
        ["2026-11-23", "2026/11/23", "2026.11.23", "2026年11月", "11月23日", "01-01", "2026-11-23 09:42",
         "2026年11月23日~2026年11月30日"],
        ["soon", "20261123", "2026-11-23T09:30", "2026年"],
    ),
    "amount": (["¥12.50", "12.5元", "￥100", "1234567890"], ["much", "12345678901", "12.505", "RMB12"]),
    "phone_number": (["+86-0766-66888866", "19900001234"], ["1" * 18, "call me"]),
    "car_number": (["粤A8Z888挂", "京A12345"], ["粤A8Z888888挂", "粤粤A123", ""]),
    "name": (["张三", "张" * 10, "Zhang San", "买买提·热合曼"], ["1", "张" * 11, "Z" * 21]),
    "phrase": (["已完成"], ["done", "已经完成了吧", "完成!"]),
}  # fmt: skip
CASES = [(f"{kind}1", value, 0) for kind, (good, _) in FIELDS.items() for value in good]
CASES += [(f"{kind}01", value, 47003) for kind, (_, bad) in FIELDS.items() for value in bad]


@pytest.fixture
def strict(simulators: Simulators) -> Iterator[Simulators]:
    """A mini-program whose console knows one template and one page."""
    fields = ["thing1", "time2"]
    simulators.control(WX, "POST", "/mini-program/templates", template_id=TEMPLATE, fields=fields)
    simulators.control(WX, "POST", "/mini-program/pages", path="pages/reports/index")
    yield simulators
    simulators.control(WX, "DELETE", "/mini-program/templates")
    simulators.control(WX, "DELETE", "/mini-program/pages")


def test_one_consent_is_one_message(simulators: Simulators) -> None:
    openid, access = new_payer(simulators), token(simulators)["access_token"]
    assert send(simulators, access, openid, thing1="检验报告")["errcode"] == 43101
    grant(simulators, openid)
    assert send(simulators, access, openid, template_id="another", thing1="检验报告")["errcode"] == 43101
    assert send(simulators, access, openid, thing1="检验报告已出")["errcode"] == 0
    assert send(simulators, access, openid, thing1="检验报告已出")["errcode"] == 43101
    got = simulators.control(WX, "GET", f"/payers/{openid}/messages")["items"]
    assert [(m["template_id"], m["data"]) for m in got] == [(TEMPLATE, {"thing1": "检验报告已出"})]


@pytest.mark.parametrize(("name", "value", "errcode"), CASES)
def test_a_field_holds_what_its_kind_allows(
    simulators: Simulators, name: str, value: str, errcode: int
) -> None:
    openid, access = new_payer(simulators), token(simulators)["access_token"]
    grant(simulators, openid)
    told = send(simulators, access, openid, **{name: value})
    assert told["errcode"] == errcode, told
    assert errcode == 0 or f"data.{name}.value" in told["errmsg"]


def test_a_refused_message_uses_no_consent(simulators: Simulators) -> None:
    openid, access = new_payer(simulators), token(simulators)["access_token"]
    grant(simulators, openid)
    assert send(simulators, access, openid, unknown1="x")["errcode"] == 47003
    assert send(simulators, access, openid, thing="no digit")["errcode"] == 47003
    assert send(simulators, access, "", thing1="检验报告")["errcode"] == 40003
    assert send(simulators, access, "o" * 28, thing1="检验报告")["errcode"] == 40003
    assert send(simulators, "guess", openid, thing1="检验报告")["errcode"] == 40001
    assert send(simulators, access, openid, page="https://wx.example/", thing1="报告")["errcode"] == 41030
    assert send(simulators, access, openid, page="/pages/a b", thing1="报告")["errcode"] == 41030
    assert send(simulators, access, openid, page="", thing1="检验报告")["errcode"] == 0


def test_a_registered_template_wants_its_fields(strict: Simulators) -> None:
    openid, access = new_payer(strict), token(strict)["access_token"]
    grant(strict, openid)
    grant(strict, openid, "another")
    unknown = send(strict, access, openid, template_id="another", thing1="报告", time2="09:30")
    assert unknown["errcode"] == 40037
    missing = send(strict, access, openid, thing1="检验报告")
    assert (missing["errcode"], missing["errmsg"]) == (47003, "argument invalid! data.time2.value is empty")
    astray = send(strict, access, openid, page="pages/nowhere", thing1="报告", time2="09:30")
    assert astray["errcode"] == 41030
    assert send(strict, access, openid, thing1="检验报告", time2="09:30")["errcode"] == 0


def test_the_console_knows_no_field_of_another_kind(simulators: Simulators) -> None:
    asked = {"template_id": TEMPLATE, "fields": ["thing1", "colour2"]}
    refused = simulators.control_answer(WX, "POST", "/mini-program/templates", **asked)
    assert (refused.status_code, refused.json()["code"]) == (400, "NO_SUCH_FIELD")

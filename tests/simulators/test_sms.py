"""The short message service: who may send what to whom and how often, and what comes back."""

import json
from datetime import timedelta
from typing import Any

import pytest

from app.kernel.clock import LOCAL, wall
from simulators.sms.signing import string_to_sign
from tests.simulators.conftest import Merchant, Simulators
from tests.simulators.raw_sms import SMS, Client, new_number, rpc_signature
from tests.simulators.waiting import eventually

ACK = b'{"code":0,"msg":"ok"}'


@pytest.fixture
def client(simulators: Simulators) -> Client:
    return Client(simulators)


@pytest.fixture
def reported(simulators: Simulators, merchant: Merchant) -> Merchant:
    merchant.reply = ACK
    simulators.control(SMS, "POST", "/settings", report_url=merchant.url)
    return merchant


def today(simulators: Simulators) -> str:
    return f"{(wall() + simulators.clock.offset).astimezone(LOCAL):%Y%m%d}"


def arrived(simulators: Simulators, number: str) -> dict[str, Any]:
    """What the phone shows once the operator had its second."""
    simulators.clock.forward(seconds=2)

    def look() -> dict[str, Any] | None:
        items = simulators.control(SMS, "GET", f"/phones/{number}/messages")["items"]
        return next((item for item in items if item["arrived"]), None)

    return eventually(look)


def settled(simulators: Simulators, client: Client, number: str) -> dict[str, Any]:
    """The detail of the number's message of today, once its report is there."""
    simulators.clock.forward(seconds=2)

    def look() -> dict[str, Any] | None:
        details = client.details(number, today(simulators))
        return next((detail for detail in details if detail["SendStatus"] != 1), None)

    return eventually(look)


def reports(merchant: Merchant, number: str) -> list[dict[str, Any]]:
    """What was told about one number: messages of other tests may be reported to this one."""
    told = [report for received in merchant.received for report in json.loads(received.body)]
    return [report for report in told if report["phone_number"] == number]


def test_the_signature_is_the_published_one() -> None:
    """The provider's own worked example: its key, its parameters, its result."""
    given = {
        "Timestamp": "2016-02-23T12:46:24Z",
        "Format": "XML",
        "AccessKeyId": "testid",
        "Action": "DescribeRegions",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
        "Version": "2014-05-26",
        "SignatureVersion": "1.0",
    }
    assert rpc_signature("testsecret", "GET", given) == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="
    assert string_to_sign("GET", given).startswith("GET&%2F&AccessKeyId%3Dtestid%26Action%3DDescribeRegions")


def test_a_message_reaches_the_phone_and_the_report_the_hospital(
    simulators: Simulators, client: Client, reported: Merchant
) -> None:
    number = new_number()
    sent = client.send(number, OutId="visit-1")
    assert (sent["Code"], sent["BizId"][-2:]) == ("OK", "^0")
    assert client.details(number, today(simulators))[0]["SendStatus"] == 1
    assert (
        arrived(simulators, number)["content"]
        == "【就医演示医院】张先生您好，检验报告已出。详情请打开小程序查看。"
    )

    [report] = eventually(lambda: reports(reported, number))
    assert (report["success"], report["err_code"], report["sms_size"]) == (True, "DELIVERED", "1")
    assert (report["biz_id"], report["out_id"]) == (sent["BizId"], "visit-1")
    [detail] = client.details(number, today(simulators), BizId=sent["BizId"])
    assert (detail["SendStatus"], detail["ErrCode"]) == (3, "DELIVERED")
    assert detail["ReceiveDate"]
    assert client.details(number, today(simulators), BizId="1^0") == []
    assert client.details(number, "20200101") == []


def test_the_newer_signature_is_believed_too(client: Client) -> None:
    given = {
        "PhoneNumbers": new_number(),
        "SignName": client.card["sign_name"],
        "TemplateCode": client.card["template_code_verification"],
        "TemplateParam": '{"code":"00+ 1*~"}',
    }
    assert client.header_call("SendSms", given).json()["Code"] == "OK"
    client.card = {**client.card, "access_key_secret": "guess"}
    assert client.header_call("SendSms", given).json()["Code"] == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"AccessKeyId": "LTAI5tnobody"}, 404, "InvalidAccessKeyId.NotFound"),
        ({"Timestamp": "2020-01-01T00:00:00Z"}, 400, "InvalidTimeStamp.Expired"),
        ({"Timestamp": "today"}, 400, "InvalidTimeStamp.Format"),
        ({"Timestamp": ""}, 400, "MissingTimestamp"),
        ({"SignatureMethod": "MD5"}, 400, "IncompleteSignature"),
        ({"Version": "2018-01-01"}, 400, "InvalidVersion"),
        ({"Action": "NoSuchAction"}, 404, "InvalidAction.NotFound"),
        ({"PhoneNumbers": ""}, 400, "MissingPhoneNumbers"),
    ],
)
def test_the_gateway_lets_nothing_else_in(
    client: Client, change: dict[str, str], status: int, code: str
) -> None:
    answer = client.answer(**{"action": "SendSms", **change})
    assert (answer.status_code, answer.json()["Code"]) == (status, code)


def test_a_changed_or_repeated_call_is_refused(client: Client) -> None:
    asked = {"PhoneNumber": new_number(), "SendDate": "20260101", "PageSize": "10", "CurrentPage": "1"}
    signed = client.signed("QuerySendDetails", **asked)
    changed = client.http.post(client.address, data={**signed, "PageSize": "50"})
    assert changed.json()["Code"] == "SignatureDoesNotMatch"
    assert client.http.post(client.address, data=signed).json()["Code"] == "OK"
    assert client.http.post(client.address, data=signed).json()["Code"] == "SignatureNonceUsed"
    by_get = client.signed("QuerySendDetails", "GET", **asked)
    assert client.http.get(client.address, params=by_get).json()["Code"] == "OK"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"PhoneNumbers": "12345"}, "isv.MOBILE_NUMBER_ILLEGAL"),
        ({"PhoneNumbers": ",".join(["13800000000"] * 1001)}, "isv.MOBILE_COUNT_OVER_LIMIT"),
        ({"SignName": "别家医院"}, "isv.SMS_SIGNATURE_ILLEGAL"),
        ({"TemplateCode": "SMS_1"}, "isv.SMS_TEMPLATE_ILLEGAL"),
        ({"TemplateParam": '{"name":"张"}'}, "isv.TEMPLATE_MISSING_PARAMETERS"),
        ({"TemplateParam": "name=张"}, "isv.INVALID_JSON_PARAM"),
        (
            {"TemplateParam": json.dumps({"name": "长" * 36, "item": "a", "time": "b"})},
            "isv.PARAM_LENGTH_LIMIT",
        ),
        (
            {"TemplateParam": json.dumps({"name": "甲", "item": "https://a.cn", "time": "b"})},
            "isv.PARAM_NOT_SUPPORT_URL",
        ),
    ],
)
def test_what_the_service_declines(client: Client, change: dict[str, str], code: str) -> None:
    assert client.send(new_number(), **change)["Code"] == code


def test_templates_and_signs_must_be_approved(simulators: Simulators, client: Client) -> None:
    template = {"code": "SMS_555", "content": "请${who}到3楼。", "kind": "notice"}
    asked = {"TemplateCode": "SMS_555", "TemplateParam": '{"who":"张先生"}'}
    for status in ("reviewing", "rejected"):
        simulators.control(SMS, "POST", "/templates", **template, status=status)
        assert client.send(new_number(), **asked)["Code"] == "isv.SMS_TEMPLATE_ILLEGAL"
    simulators.control(SMS, "POST", "/templates", **template)
    assert client.send(new_number(), **asked)["Code"] == "OK"
    simulators.control(SMS, "POST", "/signs", name="新签名", approved=False)
    assert client.send(new_number(), SignName="新签名", **asked)["Code"] == "isv.SMS_SIGNATURE_ILLEGAL"
    simulators.control(SMS, "POST", "/signs", name="新签名")
    assert client.send(new_number(), SignName="新签名", **asked)["Code"] == "OK"


def test_codes_are_limited_by_the_minute_the_hour_and_the_day(simulators: Simulators, client: Client) -> None:
    number, limited = new_number(), "isv.BUSINESS_LIMIT_CONTROL"
    assert client.send_code(number) == "OK"
    assert client.send_code(number) == limited
    assert client.send_code(new_number()) == "OK"
    for _ in range(4):
        simulators.clock.forward(minutes=1, seconds=1)
        assert client.send_code(f"+86{number}") == "OK"
    simulators.clock.forward(minutes=2)
    assert client.send_code(number) == limited
    simulators.clock.forward(hours=1)
    for _ in range(5):
        assert client.send_code(number) == "OK"
        simulators.clock.forward(minutes=1, seconds=1)
    simulators.clock.forward(hours=1)
    assert client.send_code(number) == limited
    simulators.clock.forward(days=1)
    assert client.send_code(number) == "OK"


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("off", "MOBILE_NOT_ON_SERVICE"),
        ("vacant", "MOBILE_NOT_ON_SERVICE"),
        ("blocked", "MOBILE_IN_BLACK"),
    ],
)
def test_a_number_that_is_not_on_gets_nothing(
    simulators: Simulators, client: Client, reported: Merchant, state: str, code: str
) -> None:
    number = new_number()
    simulators.control(SMS, "POST", f"/phones/{number}", state=state)
    client.send(number)
    detail = settled(simulators, client, number)
    assert (detail["SendStatus"], detail["ErrCode"]) == (2, code)
    [report] = eventually(lambda: reports(reported, number))
    assert (report["success"], report["err_code"]) == (False, code)
    [shown] = simulators.control(SMS, "GET", f"/phones/{number}/messages")["items"]
    assert not shown["arrived"]


@pytest.mark.sees(SMS, "operator_rejects")
def test_an_operator_may_refuse(simulators: Simulators, client: Client) -> None:
    number = new_number()
    simulators.control(SMS, "POST", "/faults", name="operator_rejects", reference=number)
    assert client.send(number)["Code"] == "OK"
    assert settled(simulators, client, number)["ErrCode"] == "SP_NOT_BY_SMS"
    other = new_number()
    client.send(other)
    assert settled(simulators, client, other)["ErrCode"] == "DELIVERED"


@pytest.mark.sees(SMS, "report_lost")
def test_a_lost_report_leaves_the_message_waiting(
    simulators: Simulators, client: Client, reported: Merchant
) -> None:
    number = new_number()
    simulators.control(SMS, "POST", "/faults", name="report_lost")
    client.send(number)
    arrived(simulators, number)
    simulators.clock.forward(days=1)
    other = new_number()
    client.send(other)
    eventually(lambda: reports(reported, other))
    assert reports(reported, number) == []
    day = f"{(wall() + simulators.clock.offset - timedelta(days=1)).astimezone(LOCAL):%Y%m%d}"
    assert client.details(number, day)[0]["SendStatus"] == 1


@pytest.mark.sees(SMS, "report_late")
def test_a_late_report_comes_after_the_message(
    simulators: Simulators, client: Client, reported: Merchant
) -> None:
    number = new_number()
    simulators.control(SMS, "POST", "/faults", name="report_late", seconds=120)
    client.send(number)
    arrived(simulators, number)
    assert client.details(number, today(simulators))[0]["SendStatus"] == 1
    simulators.clock.forward(minutes=2)
    eventually(lambda: reports(reported, number))
    assert client.details(number, today(simulators))[0]["SendStatus"] == 3


def test_a_report_is_repeated_until_it_is_acknowledged(
    simulators: Simulators, client: Client, reported: Merchant
) -> None:
    reported.reply = b'{"code":1}'
    number = new_number()
    sent = client.send(number)
    simulators.clock.forward(seconds=2)
    eventually(lambda: reports(reported, number))
    reported.reply = ACK
    simulators.clock.forward(minutes=1, seconds=1)
    first, second = eventually(lambda: reports(reported, number)[1:] and reports(reported, number))
    assert first == second

    def look() -> bool:
        reference = sent["BizId"].replace("^", "%5E")
        [notice] = simulators.control(SMS, "GET", f"/notices?reference={reference}")["items"]
        return (notice["state"], notice["attempts"]) == ("delivered", 2)

    eventually(look)


@pytest.mark.sees(SMS, "no_credit")
def test_messages_cost_what_their_length_says(simulators: Simulators, client: Client) -> None:
    before = simulators.control(SMS, "GET", "/book")["credit_fen"]
    simulators.control(SMS, "POST", "/templates", code="SMS_777", content="长" * 71)
    client.send(new_number())
    client.send(f"{new_number()},{new_number()}", TemplateCode="SMS_777", TemplateParam="")
    assert before - simulators.control(SMS, "GET", "/book")["credit_fen"] == 5 + 2 * 2 * 5
    simulators.control(SMS, "POST", "/faults", name="no_credit")
    assert client.send(new_number())["Code"] == "isv.AMOUNT_NOT_ENOUGH"


@pytest.mark.sees(SMS)
@pytest.mark.parametrize(
    ("fault", "status", "code", "sent"),
    [
        ("error_before", 500, "InternalError", 0),
        ("error_after", 500, "InternalError", 1),
        ("busy", 400, "Throttling.User", 0),
    ],
)
def test_an_unknown_outcome_is_found_out_by_asking(
    simulators: Simulators, client: Client, fault: str, status: int, code: str, sent: int
) -> None:
    number = new_number()
    simulators.control(SMS, "POST", "/faults", name=fault, endpoint="SendSms")
    given = {
        "PhoneNumbers": number,
        "SignName": client.card["sign_name"],
        "TemplateCode": client.card["template_code_verification"],
        "TemplateParam": '{"code":"1"}',
    }
    answer = client.answer("SendSms", **given)
    assert (answer.status_code, answer.json()["Code"]) == (status, code)
    assert len(client.details(number, today(simulators))) == sent


def test_the_console_refuses_nonsense(simulators: Simulators) -> None:
    for path, body in (
        ("/settings", {"report_url": "http://example.com/"}),
        ("/phones/12345", {"state": "on"}),
        ("/phones/13800000000", {"state": "lost"}),
        ("/templates", {"code": "x", "content": "y"}),
        ("/faults", {"name": "forged_reply"}),
    ):
        assert simulators.control_answer(SMS, "POST", path, **body).status_code in (400, 404)

"""What goes wrong between the hospital and the two desks beside the money: fiscal bills and text messages."""

import time
from typing import Any

import httpx
import pytest

from tests.simulators import raw_fiscal_invoice, raw_sms
from tests.simulators.conftest import Merchant, Simulators
from tests.simulators.raw_fiscal_invoice import FISCAL, outpatient
from tests.simulators.raw_sms import SMS, new_number
from tests.simulators.waiting import eventually

CUT = "cut"


class SmsDesk:
    """Sends a message; its report goes to the address of the settings."""

    name, call = SMS, "SendSms"

    def __init__(self, simulators: Simulators) -> None:
        self.simulators, self.client = simulators, raw_sms.Client(simulators)
        simulators.merchant.reply = b'{"code":0,"msg":"ok"}'
        simulators.control(SMS, "POST", "/settings", report_url=simulators.merchant.url)

    def new(self) -> str:
        return new_number()

    def act(self, no: str) -> httpx.Response:
        given = {"SignName": self.client.card["sign_name"]}
        given |= {"TemplateCode": self.client.card["template_code_verification"]}
        given |= {"TemplateParam": '{"code":"1"}', "PhoneNumbers": no}
        return self.client.answer("SendSms", **given)

    def happened(self, no: str) -> bool:
        return bool(self.simulators.control(SMS, "GET", f"/phones/{no}/messages")["items"])

    def noticed(self, no: str) -> str:
        """Act; what its notification refers to."""
        return self.act(no).json()["BizId"]


class FiscalDesk:
    """Issues a bill; that its file is there is told to the address in the call."""

    name, call = FISCAL, "invoiceEBillOutpatient"

    def __init__(self, simulators: Simulators) -> None:
        self.simulators, self.client = simulators, raw_fiscal_invoice.Client(simulators)
        simulators.merchant.reply = b'{"result":"S0000"}'

    def new(self) -> str:
        return outpatient()["busNo"]

    def act(self, no: str) -> httpx.Response:
        asked = outpatient(busNo=no, notifyUrl=self.simulators.merchant.url)
        return self.client.post(self.call, self.client.envelope(asked))

    def happened(self, no: str) -> bool:
        found = self.client.post("getEBillByBusNo", self.client.envelope({"busNo": no}))
        return self.client.believed(found)[0] == "S0000"

    def noticed(self, no: str) -> str:
        """Act; what its notification refers to."""
        assert self.client.believed(self.act(no))[0] == "S0000"
        return no


Desk = SmsDesk | FiscalDesk


@pytest.fixture(params=[SmsDesk, FiscalDesk], ids=[SMS, FISCAL])
def desk(simulators: Simulators, merchant: Merchant, request: pytest.FixtureRequest) -> Desk:
    return request.param(simulators)


def arm(desk: Desk, name: str, **more: Any) -> None:
    desk.simulators.control(desk.name, "POST", "/faults", name=name, **more)


def ending(desk: Desk, no: str) -> int | str:
    try:
        return desk.act(no).status_code
    except httpx.RemoteProtocolError:
        return CUT


@pytest.mark.sees(SMS, "withhold", "lose", "ignore_ack", "duplicate", "delay")
@pytest.mark.sees(FISCAL, "withhold", "lose", "ignore_ack", "duplicate", "delay")
def test_a_notification_can_be_held_lost_doubled_denied_and_late(desk: Desk, merchant: Merchant) -> None:
    """First in this file: what others left on its way would use the faults up."""
    for fault in ("withhold", "lose", "ignore_ack", "duplicate"):
        arm(desk, fault)
    reference = desk.noticed(desk.new())
    desk.simulators.clock.forward(seconds=2)
    eventually(lambda: notice(desk, reference)["state"] == "withheld")
    desk.simulators.control(desk.name, "POST", "/notices/release")
    for attempt, arrived in ((1, 0), (2, 1), (3, 3)):
        eventually(lambda attempt=attempt: notice(desk, reference)["attempts"] == attempt)
        assert len(merchant.received) == arrived
        desk.simulators.control(desk.name, "POST", "/notices/hurry")
    assert [d["fault"] for d in notice(desk, reference)["deliveries"]] == ["lose", "ignore_ack", "duplicate"]
    arm(desk, "delay", seconds=90)
    late = desk.noticed(desk.new())
    desk.simulators.clock.forward(seconds=2)
    eventually(lambda: notice(desk, late)["state"] == "pending")
    assert notice(desk, late)["attempts"] == 0
    desk.simulators.clock.forward(seconds=90)
    eventually(lambda: notice(desk, late)["state"] == "delivered")


@pytest.mark.sees(SMS)
@pytest.mark.sees(FISCAL)
@pytest.mark.parametrize(
    ("fault", "told", "done"),
    [
        ("lose_request", CUT, False),
        ("lose_reply", CUT, True),
        ("unavailable_before", 502, False),
        ("unavailable_after", 502, True),
    ],
)
def test_no_answer_says_nothing_of_what_happened(
    desk: Desk, fault: str, told: int | str, *, done: bool
) -> None:
    no, other = desk.new(), desk.new()
    arm(desk, fault, endpoint=desk.call)
    assert ending(desk, no) == told
    assert desk.happened(no) is done
    assert ending(desk, other) == 200


@pytest.mark.sees(SMS)
@pytest.mark.sees(FISCAL)
@pytest.mark.parametrize("fault", ["delay_before", "delay_after"])
def test_an_answer_can_be_late(desk: Desk, fault: str) -> None:
    arm(desk, fault, endpoint=desk.call, seconds=0.4)
    took = []
    for _ in range(2):
        began = time.monotonic()
        assert ending(desk, desk.new()) == 200
        took.append(time.monotonic() - began)
    assert took[0] >= 0.4 > took[1]


def notice(desk: Desk, reference: str) -> dict[str, Any]:
    """The one notification about it, or one that is not there yet."""
    asked = reference.replace("^", "%5E")
    found = desk.simulators.control(desk.name, "GET", f"/notices?reference={asked}")["items"]
    return found[0] if found else {"state": "", "attempts": 0}

"""One password for insurance and cash: what the phone, the bureau, the merchant and the book say."""

import json
import threading
from base64 import b64decode
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.simulators.business_days import a_new_day, fen, move_to, totals
from tests.simulators.conftest import Merchant, Received, Simulators
from tests.simulators.raw_med_ins import CASH, INSURED, MIXED, Hospital, bureau_at, states
from tests.simulators.raw_wechat_pay import WX, query, refund
from tests.simulators.test_wechat_pay_bills import ask, funds, sheet
from tests.simulators.waiting import eventually

PAID = ("MIX_PAY_SUCCESS", "SELF_PAY_SUCCESS", "MED_INS_PAY_SUCCESS")
UNPAID = ("MIX_PAY_CREATED", "SELF_PAY_CREATED", "MED_INS_PAY_CREATED")
TOLD = "MEDICAL_INSURANCE.SUCCESS"


class Bureau:
    """A bureau's control address: it settles what it is told to, and remembers what it heard."""

    def __init__(self) -> None:
        self.status = 200
        self.reply: dict[str, Any] = {"state": "6"}
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.gate = threading.Event()
        self.gate.set()
        bureau = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                bureau.heard.append((self.path, json.loads(body)))
                bureau.gate.wait(5)
                self.send_response(bureau.status)
                self.end_headers()
                self.wfile.write(json.dumps(bureau.reply).encode())

            def log_message(self, format: str, *args: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Door)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def hospital(simulators: Simulators) -> Iterator[Hospital]:
    with bureau_at(simulators, None):
        yield Hospital(simulators)


@pytest.fixture
def bureau(hospital: Hospital) -> Iterator[Bureau]:
    running = Bureau()
    with bureau_at(hospital.simulators, running.url):
        yield running
    running.server.shutdown()
    running.server.server_close()


def content(simulators: Simulators, received: Received) -> dict[str, Any]:
    sealed = json.loads(received.body)["resource"]
    key = AESGCM(simulators.cards[WX]["apiv3_key"].encode())
    return json.loads(
        key.decrypt(
            sealed["nonce"].encode(), b64decode(sealed["ciphertext"]), sealed["associated_data"].encode()
        )
    )


def kinds(received: list[Received]) -> list[str]:
    return sorted(json.loads(told.body)["event_type"] for told in received)


def arm(hospital: Hospital, fault: str, order: dict[str, Any], **more: Any) -> None:
    hospital.simulators.control(WX, "POST", "/faults", name=fault, reference=order["out_trade_no"], **more)


def booked(hospital: Hospital) -> dict[str, Any]:
    return hospital.simulators.control(WX, "GET", "/book")["merchant"]


def test_one_password_pays_both_shares_and_tells_both(hospital: Hospital, merchant: Merchant) -> None:
    before, order = booked(hospital), hospital.placed()
    paid = hospital.pay(order)
    assert paid["result"] == "requestMedicalInsurancePay:ok"
    assert states(paid) == hospital.states(order) == PAID
    merchant.wait(2)
    assert kinds(merchant.received) == [TOLD, "TRANSACTION.SUCCESS"]
    [told] = [r for r in merchant.received if json.loads(r.body)["event_type"] == TOLD]
    assert content(hospital.simulators, told) == hospital.query(order)
    assert "paid_time" in hospital.query(order)
    assert "transaction_id" not in hospital.query(order)
    assert query(hospital.raw, order["out_trade_no"]).json()["amount"]["payer_total"] == 42_000
    assert hospital.balance() == 1_000_000 - 42_000
    after = booked(hospital)
    assert after["paid_fen"] - before["paid_fen"] == 42_000
    assert after["net_fen"] == after["balance_fen"]
    assert hospital.phone(order).json()["code"] == "ORDER_PAID"


@pytest.mark.parametrize(
    ("shape", "wanted", "moved_fen", "notices"),
    [
        (INSURED, ("MIX_PAY_SUCCESS", "NO_SELF_PAY", "MED_INS_PAY_SUCCESS"), 0, [TOLD]),
        (
            CASH,
            ("MIX_PAY_SUCCESS", "SELF_PAY_SUCCESS", "NO_MED_INS_PAY"),
            3_000,
            [TOLD, "TRANSACTION.SUCCESS"],
        ),
    ],
    ids=["insured", "cash"],
)
def test_a_single_share_is_paid_alone(
    hospital: Hospital,
    merchant: Merchant,
    shape: dict[str, Any],
    wanted: tuple[str, str, str],
    moved_fen: int,
    notices: list[str],
) -> None:
    order = hospital.placed(shape)
    assert states(hospital.pay(order)) == wanted
    assert hospital.balance() == 1_000_000 - moved_fen
    assert kinds(merchant.wait(len(notices))) == notices


def test_the_phone_shows_an_error_for_what_the_page_got_wrong(hospital: Hospital) -> None:
    order, insured = hospital.placed(), hospital.placed(INSURED)
    for change, code in (
        ({"paySign": "AAAA"}, "PAY_SIGN_INVALID"),
        ({"nonceStr": "another"}, "PAY_SIGN_INVALID"),
        ({"appid": "wx0000000000000000"}, "PAY_SIGN_INVALID"),
        ({"paySign": ""}, "PARAM_ERROR"),
        ({"mixTradeNo": order["out_trade_no"]}, "NOT_FOUND"),
    ):
        assert hospital.phone(order, **change).json()["code"] == code
    other = hospital.placed()
    stolen = hospital.phone({**order, "prepay_id": other["prepay_id"]})
    assert stolen.json()["code"] == "PREPAY_MISMATCH"
    assert hospital.phone(insured, signType="RSA").json()["code"] == "PARAM_ERROR"
    stranger = Hospital(hospital.simulators)
    assert stranger.phone(order).json()["code"] == "PAYER_MISMATCH"
    assert hospital.states(order) == UNPAID
    assert states(hospital.pay(order)) == PAID


def test_who_closes_the_password_box_can_still_pay(hospital: Hospital) -> None:
    order = hospital.placed()
    assert hospital.phone(order, "refusals").json()["result"] == "requestMedicalInsurancePay:fail cancel"
    assert (hospital.states(order), hospital.balance()) == (UNPAID, 1_000_000)
    assert states(hospital.pay(order)) == PAID


def test_without_the_money_nothing_moves(hospital: Hospital) -> None:
    first, *rest = [hospital.placed(CASH) for _ in range(2)]
    dear = hospital.asked(
        CASH,
        wechat_pay_cash_fee=1_000_001,
        total_fee=1_000_001,
        cash_add_detail=[{"cash_add_fee": 1_000_001, "cash_add_type": "FREIGHT"}],
    )
    dear |= {"out_trade_no": f"{dear['out_trade_no']}x"}
    dear["prepay_id"] = hospital.cash_order(dear["out_trade_no"], 1_000_001)
    order = hospital.place(dear).json()
    assert hospital.phone(order).json()["code"] == "NOT_ENOUGH"
    assert hospital.states(order)[0] == "MIX_PAY_CREATED"
    assert hospital.pay(first)["mix_pay_status"] == "MIX_PAY_SUCCESS"
    assert hospital.states(rest[0])[0] == "MIX_PAY_CREATED"


def test_the_notice_is_tried_for_thirty_seconds_and_no_longer(hospital: Hospital, merchant: Merchant) -> None:
    merchant.status = 500
    order = hospital.placed(INSURED)
    hospital.pay(order)
    for count in range(1, 6):
        merchant.wait(count)
        hospital.simulators.clock.forward(seconds=16)
    path = f"/notices?reference={order['out_trade_no']}"
    [notice] = eventually(
        lambda: [n for n in hospital.simulators.control(WX, "GET", path)["items"] if n["state"] == "given_up"]
    )
    assert notice["attempts"] == len(merchant.received) == 5
    assert hospital.states(order)[0] == "MIX_PAY_SUCCESS"


def test_a_lost_notice_leaves_only_the_query(hospital: Hospital, merchant: Merchant) -> None:
    lost, other = hospital.placed(INSURED), hospital.placed(INSURED)
    arm(hospital, "lose", lost, endpoint=TOLD, times=5)
    hospital.pay(lost)
    hospital.pay(other)
    told = merchant.wait(1)
    assert [content(hospital.simulators, r)["mix_trade_no"] for r in told] == [other["mix_trade_no"]]
    assert hospital.states(lost)[0] == "MIX_PAY_SUCCESS"


@pytest.mark.sees(WX)
@pytest.mark.parametrize(
    ("fault", "wanted", "moved_fen"),
    [
        ("insurance_fails", ("MIX_PAY_FAIL", "SELF_PAY_SUCCESS", "MED_INS_PAY_FAIL"), 42_000),
        ("cash_fails", ("MIX_PAY_FAIL", "SELF_PAY_FAIL", "MED_INS_PAY_SUCCESS"), 0),
        ("", PAID, 42_000),
    ],
)
def test_one_share_can_fail_while_the_other_is_paid(
    hospital: Hospital,
    bureau: Bureau,
    merchant: Merchant,
    fault: str,
    wanted: tuple[str, ...],
    moved_fen: int,
) -> None:
    order = hospital.placed()
    if fault:
        arm(hospital, fault, order)
    paid = hospital.pay(order)
    assert paid["result"].endswith(":fail" if fault else ":ok")
    assert hospital.states(order) == wanted
    assert hospital.balance() == 1_000_000 - moved_fen
    assert len(bureau.heard) == (0 if fault == "insurance_fails" else 1)
    assert ("med_ins_fail_reason" in hospital.query(order)) is (fault == "insurance_fails")
    notices = [] if fault == "cash_fails" else ["TRANSACTION.SUCCESS"]
    assert kinds(merchant.wait(1 if fault != "cash_fails" else 0))[-len(notices) or None :] == notices
    if fault == "insurance_fails":
        cash = {"out_trade_no": order["out_trade_no"], "amount": {"total": 42_000}}
        assert refund(hospital.raw, cash, 42_000).status_code == 200
        hospital.simulators.clock.forward(seconds=2)
        eventually(lambda: hospital.balance() == 1_000_000)
        assert hospital.states(order) == ("MIX_PAY_FAIL", "SELF_PAY_REFUND", "MED_INS_PAY_FAIL")


@pytest.mark.sees(WX)
@pytest.mark.parametrize("fault", ["insurance_late", ""], ids=["late", "control"])
def test_insurance_can_settle_later_than_the_cash(hospital: Hospital, merchant: Merchant, fault: str) -> None:
    order = hospital.placed()
    if fault:
        arm(hospital, fault, order, seconds=600)
    hospital.pay(order)
    merchant.wait(1 if fault else 2)
    if fault:
        assert hospital.states(order) == ("MIX_PAY_CREATED", "SELF_PAY_SUCCESS", "MED_INS_PAY_CREATED")
        assert hospital.phone(order).json()["code"] == "ORDER_PAID"
        assert kinds(merchant.received) == ["TRANSACTION.SUCCESS"]
        hospital.simulators.clock.forward(seconds=600)
    assert kinds(merchant.wait(2)) == [TOLD, "TRANSACTION.SUCCESS"]
    assert hospital.states(order) == PAID


def test_the_bureau_beside_the_card_is_told_what_is_left_to_the_payer(
    hospital: Hospital, bureau: Bureau
) -> None:
    order, cash = hospital.placed(), hospital.placed(CASH)
    hospital.pay(order)
    hospital.pay(cash)
    path = f"/mobile-orders/{order['pay_order_id']}/payments"
    assert bureau.heard == [(path, {"platform": WX, "cash_fen": MIXED["med_ins_cash_fee"]})]


@pytest.mark.parametrize("status", [404, 409])
def test_what_the_bureau_refuses_moves_nothing(
    hospital: Hospital, bureau: Bureau, merchant: Merchant, status: int
) -> None:
    order = hospital.placed()
    bureau.status, bureau.reply = status, {"code": "NO", "message": "预结算金额不匹配"}
    refused = hospital.phone(order)
    assert (refused.status_code, refused.json()["code"]) == (409, "INSURANCE_REFUSED")
    assert refused.json()["message"] == "预结算金额不匹配"
    assert hospital.states(order) == ("MIX_PAY_FAIL", "SELF_PAY_FAIL", "MED_INS_PAY_FAIL")
    assert hospital.query(order)["med_ins_fail_reason"] == "预结算金额不匹配"
    assert hospital.balance() == 1_000_000
    assert query(hospital.raw, order["out_trade_no"]).json()["trade_state"] == "NOTPAY"
    assert merchant.received == []


def test_when_the_bureau_says_nothing_the_payer_may_try_again(hospital: Hospital, bureau: Bureau) -> None:
    order = hospital.placed()
    bureau.status = 502
    assert hospital.phone(order).json()["code"] == "BUREAU_UNREACHABLE"
    assert (hospital.states(order), hospital.balance()) == (UNPAID, 1_000_000)
    bureau.status = 200
    assert states(hospital.pay(order)) == PAID


def test_nobody_closes_or_pays_twice_while_the_bureau_is_asked(hospital: Hospital, bureau: Bureau) -> None:
    order = hospital.placed()
    closing = f"/v3/pay/transactions/out-trade-no/{order['out_trade_no']}/close"
    mchid = {"mchid": hospital.raw.card["mchid"]}
    bureau.gate.clear()
    paying = threading.Thread(target=hospital.pay, args=(order,))
    paying.start()
    eventually(lambda: bureau.heard)
    closed, again = hospital.raw.call("POST", closing, mchid), hospital.phone(order)
    bureau.gate.set()
    paying.join(5)
    assert (closed.status_code, closed.json()["code"]) == (400, "INVALID_REQUEST")
    assert again.json()["code"] == "ORDER_PAID"
    assert hospital.states(order) == PAID
    assert hospital.raw.call("POST", closing, mchid).json()["code"] == "ORDER_PAID"


def test_both_shares_go_back_each_its_own_way(hospital: Hospital) -> None:
    order = hospital.placed()
    hospital.pay(order)
    cash = {"out_trade_no": order["out_trade_no"], "amount": {"total": 42_000}}
    no = f"R{order['out_trade_no']}"
    assert hospital.told_back(order, out_refund_no=no).status_code == 204
    assert hospital.states(order) == ("MIX_PAY_SUCCESS", "SELF_PAY_SUCCESS", "MED_INS_PAY_REFUND")
    assert refund(hospital.raw, cash, 2_000, out_refund_no=no).status_code == 200
    hospital.simulators.clock.forward(seconds=61)
    eventually(lambda: hospital.balance() == 1_000_000 - 40_000)
    assert hospital.states(order)[1] == "SELF_PAY_SUCCESS"
    assert refund(hospital.raw, cash, 40_000).status_code == 200
    hospital.simulators.clock.forward(seconds=2)
    eventually(lambda: hospital.balance() == 1_000_000)
    assert hospital.states(order) == ("MIX_PAY_REFUND", "SELF_PAY_REFUND", "MED_INS_PAY_REFUND")
    again = hospital.told_back(order, med_refund_total_fee=145_000, med_refund_other_fee=0)
    assert again.status_code == 204


def test_a_refund_notice_must_add_up_and_have_something_to_refund(hospital: Hospital) -> None:
    order, cash = hospital.placed(), hospital.placed(CASH)
    assert hospital.told_back(order).json()["code"] == "INVALID_REQUEST"
    hospital.pay(order)
    hospital.pay(cash)
    for which, change, status, code in (
        (order, {"med_refund_total_fee": 150_001}, 403, "RULE_LIMIT"),
        (order, {"med_refund_gov_fee": 100_001, "med_refund_total_fee": 150_001}, 403, "RULE_LIMIT"),
        (order, {"refund_time": "2026-05-21"}, 400, "PARAM_ERROR"),
        (order, {"out_refund_no": ""}, 400, "PARAM_ERROR"),
        (cash, {}, 403, "RULE_LIMIT"),
        ({**order, "mix_trade_no": "1" * 30}, {}, 404, "NOT_FOUND"),
        ({**order, "mix_trade_no": ""}, {}, 400, "PARAM_ERROR"),
    ):
        answer = hospital.told_back(which, **change)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert hospital.states(order) == PAID
    assert hospital.told_back(order).status_code == 204


def test_the_bill_holds_the_cash_share_and_nothing_of_the_insurance(hospital: Hospital) -> None:
    day = a_new_day(hospital.simulators)
    mixed, insured = hospital.placed(), hospital.placed(INSURED)
    hospital.pay(mixed)
    hospital.pay(insured)
    move_to(hospital.simulators, day + timedelta(days=1), 9)
    bill = sheet(hospital.raw, ask(hospital.raw, day))
    assert [(row["商户订单号"], fen(row["订单金额"])) for row in bill.rows] == [
        (mixed["out_trade_no"], 42_000)
    ]
    flow = sheet(hospital.raw, funds(hospital.raw, day))
    assert [(row["业务名称"], fen(row["收支金额(元)"])) for row in flow.rows] == [("交易", 42_000)]
    said = totals(hospital.simulators, WX, day)
    assert said["book"] == said["bill"]
    assert said["book"]["paid_fen"] == 42_000

"""6201 to 6401: an order paid by phone, from its fees to its refund."""

import itertools
from typing import Any

import pytest

from tests.simulators.conftest import Simulators
from tests.simulators.raw_bureau import BUREAU
from tests.simulators.raw_bureau_money import NUMBERS, Cashier, plain_client

CAMEL = {
    "feedetl_sn": "feedetlSn",
    "rx_circ_flag": "rxCircFlag",
    "fee_ocur_time": "feeOcurTime",
    "med_list_codg": "medListCodg",
    "medins_list_codg": "medinsListCodg",
    "det_item_fee_sumamt": "detItemFeeSumamt",
    "cnt": "cnt",
    "pric": "pric",
    "bilg_dept_codg": "bilgDeptCodg",
    "bilg_dept_name": "bilgDeptName",
    "bilg_dr_codg": "bilgDrCodg",
    "bilg_dr_name": "bilgDrName",
}
REFUNDS = itertools.count(1)


class Phone:
    """One person's phone and the hospital's half of the order."""

    def __init__(self, simulators: Simulators, price: str = "1000.00", code: str = "XDEMO0001") -> None:
        self.simulators, self.price = simulators, price
        self.cashier = Cashier(simulators, plain_client(simulators), account_fen=10_000)
        self.client = self.cashier.client
        self.token = self.fresh_token()
        self.line = self.cashier.line(code, price)
        self.number, self.pay_token = "", ""

    def fresh_token(self) -> str:
        path = f"/persons/{self.cashier.psn_no}/tokens"
        return self.simulators.control(BUREAU, "POST", path)["token"]

    def who(self) -> dict[str, Any]:
        person = self.cashier.person
        code = self.client.card["fixmedins_code"]
        return {"orgCodg": code, "idNo": person["certno"], "userName": person["psn_name"], "idType": "01"}

    def fees(self, **change: Any) -> dict[str, Any]:
        asked = {
            **self.who(),
            "psnNo": self.cashier.psn_no,
            "insutype": "310",
            "medOrgOrd": f"HIS{next(NUMBERS)}",
            "mdtrtId": self.cashier.mdtrt_id,
            "iptOtpNo": "1",
            "medType": "11",
            "feeType": "01",
            "medfeeSumamt": self.price,
            "psnSetlway": "01",
            "chrgBchno": "B1",
            "ecToken": self.token,
            "feedetailList": [{CAMEL[name]: self.line[name] for name in CAMEL}],
        }
        return {"data": {**asked, **change}}

    def order(self, **change: Any) -> dict[str, Any]:
        asked = {
            **self.named(),
            "payAuthNo": self.token,
            "orgCodg": self.client.card["fixmedins_code"],
            "orgBizSer": "1",
            "chrgBchno": "B1",
            "feeType": "01",
            "mdtrtId": self.cashier.mdtrt_id,
        }
        return {"data": {**asked, **change}}

    def named(self) -> dict[str, Any]:
        return {"payOrdId": self.number, "payToken": self.pay_token}

    def question(self) -> dict[str, Any]:
        return {"data": {**self.who(), **self.named()}}

    def upload(self) -> None:
        told = self.client.output("6201", self.fees())
        self.number, self.pay_token = told["payOrdId"], told["payToken"]

    def priced(self) -> dict[str, Any]:
        self.upload()
        return self.client.output("6202", self.order())

    def state(self) -> str:
        return self.client.output("6301", self.question())["ordStas"]

    def pay(self, **said: Any) -> dict[str, Any]:
        return self.simulators.control(BUREAU, "POST", f"/mobile-orders/{self.number}/payments", **said)

    def pay_refused(self, **said: Any) -> str:
        path = f"/mobile-orders/{self.number}/payments"
        answer = self.simulators.control_answer(BUREAU, "POST", path, **said)
        assert answer.status_code == 409, answer.text
        return answer.json()["code"]

    def refund(
        self, kind: str, cash: str, account: str = "0", fund: str = "0", **change: Any
    ) -> dict[str, Any]:
        total = sum(round(float(amount) * 100) for amount in (cash, account, fund)) / 100
        asked = {
            "payOrdId": self.number,
            "appRefdSn": f"R{next(REFUNDS)}",
            "appRefdTime": "20261124120000",
            "totlRefdAmt": f"{total:.2f}",
            "cashRefdAmt": cash,
            "psnAcctRefdAmt": account,
            "fundRefdAmt": fund,
            "payAuthNo": self.token,
            "refdType": kind,
        }
        return {"data": {**asked, **change}}


@pytest.fixture
def phone(simulators: Simulators) -> Phone:
    return Phone(simulators)


@pytest.fixture
def paid(phone: Phone) -> Phone:
    """1000.00 in class A: deductible 500, fund 350, account 100, cash 550."""
    phone.priced()
    phone.pay()
    return phone


def test_an_order_is_settled_by_the_password_and_not_before(phone: Phone) -> None:
    before = phone.cashier.owed()
    told = phone.priced()
    shares = [
        told[name] for name in ("feeSumamt", "fundPay", "psnAcctPay", "ownPayAmt", "ordStas", "setlType")
    ]
    assert shares == [1000, 350, 100, 550, "1", "ALL"]
    assert phone.state() == "1"
    assert phone.cashier.owed() == before
    shown = phone.pay(platform="wechat_pay", cash_fen=55_000)
    assert (shown["state"], shown["fund_fen"], shown["account_fen"], shown["cash_fen"]) == (
        "6",
        35000,
        10000,
        55000,
    )
    after = phone.cashier.owed()
    assert after["funds"] - before["funds"] == 35_000
    told = phone.client.output("6301", phone.question())
    assert (told["ordStas"], told["extData"]["setl_id"]) == ("6", shown["setl_id"])
    assert phone.pay() == shown
    assert phone.cashier.owed() == after


def test_the_password_needs_no_words(phone: Phone) -> None:
    """A platform that only posts, without a body, has said enough."""
    phone.priced()
    address = f"{phone.simulators.cards[BUREAU]['control_url']}/mobile-orders/{phone.number}/payments"
    assert phone.simulators.http.post(address).json()["state"] == "6"
    assert phone.simulators.control(BUREAU, "GET", f"/mobile-orders/{phone.number}")["cash_fen"] == 55_000


def test_all_in_cash_and_all_insured(simulators: Simulators) -> None:
    cash = Phone(simulators, "100.00", "FDEMO0005")
    told = cash.priced()
    assert (told["setlType"], told["ownPayAmt"]) == ("CASH", 100)
    insured = Phone(simulators, "50.00")
    told = insured.priced()
    assert (told["setlType"], told["ownPayAmt"], told["psnAcctPay"]) == ("HI", 0, 50)
    assert insured.pay()["state"] == "6"


def test_the_account_may_be_left_alone(phone: Phone) -> None:
    phone.upload()
    told = phone.client.output("6202", phone.order(acctUsedFlag="0"))
    assert (told["psnAcctPay"], told["ownPayAmt"]) == (0, 650)


def test_an_unpaid_order_is_revoked_with_its_fees(phone: Phone) -> None:
    phone.priced()
    told = phone.client.output("6401", phone.question())
    assert told["success"] is True
    assert phone.state() == "12"
    assert phone.pay_refused() == "ORDER_STATE"
    asked = {"psn_no": phone.cashier.psn_no, "mdtrt_id": phone.cashier.mdtrt_id}
    assert phone.client.output("5204", {"data": asked})["feedetail"] == []


def test_a_paid_order_is_not_revoked(paid: Phone) -> None:
    assert "6203" in paid.cashier.refusal("6401", paid.question())
    assert "不能下单" in paid.cashier.refusal("6202", paid.order(payAuthNo=paid.fresh_token()))


def test_an_order_lapses(simulators: Simulators, phone: Phone) -> None:
    phone.priced()
    simulators.clock.forward(minutes=30)
    assert phone.pay_refused() == "ORDER_STATE"
    assert phone.state() == "12"


def test_an_authorization_pays_once(simulators: Simulators, paid: Phone) -> None:
    line = paid.cashier.line("XDEMO0001", "5.00", batch="B2")
    details = [{CAMEL[name]: line[name] for name in CAMEL}]
    asked = paid.fees(feedetailList=details, chrgBchno="B2", medfeeSumamt="5.00")
    assert "已使用" in paid.cashier.refusal("6201", asked)


WRONG_FEES: dict[str, tuple[dict[str, Any], str]] = {
    "another sum": ({"medfeeSumamt": "1.00"}, "不一致"),
    "no token": ({"ecToken": ""}, "ecToken"),
    "an unknown token": ({"ecToken": "0" * 32}, "令牌无效"),
    "another name": ({"userName": "别人"}, "姓名"),
    "another hospital": ({"orgCodg": "H00000000000"}, "orgCodg"),
    "no fees": ({"feedetailList": []}, "feedetail"),
    "fees that are no list": ({"feedetailList": "x"}, "feedetailList"),
}


@pytest.mark.parametrize("name", WRONG_FEES)
def test_wrong_fees_are_refused_whole(phone: Phone, name: str) -> None:
    change, message = WRONG_FEES[name]
    assert message in phone.cashier.refusal("6201", phone.fees(**change))
    phone.upload()


def test_an_order_is_asked_for_with_its_own_words(phone: Phone) -> None:
    phone.upload()
    assert "payToken" in phone.cashier.refusal("6202", phone.order(payToken="0"))
    assert "不存在" in phone.cashier.refusal("6202", phone.order(payOrdId="ORD0"))
    assert "不一致" in phone.cashier.refusal("6202", phone.order(chrgBchno="B2"))
    assert "令牌无效" in phone.cashier.refusal("6202", phone.order(payAuthNo="0"))
    assert phone.pay_refused() == "ORDER_STATE"
    repeated = phone.fees(medOrgOrd=phone.client.output("6301", phone.question())["medOrgOrd"])
    assert "重复" in phone.cashier.refusal("6201", repeated)


def test_a_password_for_another_amount_settles_nothing(phone: Phone) -> None:
    phone.priced()
    before = phone.cashier.owed()
    assert phone.pay_refused(cash_fen=1) == "AMOUNT_MISMATCH"
    assert phone.cashier.owed() == before
    missing = phone.simulators.control_answer(BUREAU, "POST", "/mobile-orders/ORD0/payments")
    assert (missing.status_code, missing.json()["code"]) == (404, "NO_SUCH_ORDER")


def test_insurance_may_refuse_after_the_password(simulators: Simulators, phone: Phone) -> None:
    phone.priced()
    simulators.control(BUREAU, "POST", "/faults", name="settle_refused", reference=phone.cashier.psn_no)
    assert phone.pay_refused() == "INSURANCE_REFUSED"
    assert phone.state() == "1"
    assert phone.pay()["state"] == "6"


def test_an_order_whose_shares_moved_must_be_priced_anew(simulators: Simulators, phone: Phone) -> None:
    phone.priced()
    used = {"care": "outpatient", "deductible_fen": 50_000}
    simulators.control(BUREAU, "POST", f"/persons/{phone.cashier.psn_no}/uses", **used)
    assert phone.pay_refused() == "AMOUNTS_CHANGED"
    assert phone.client.output("6202", phone.order())["fundPay"] == 700
    assert phone.pay()["fund_fen"] == 70_000


def test_what_the_counter_settled_is_not_paid_by_phone_too(phone: Phone) -> None:
    phone.priced()
    phone.cashier.settle("1000.00")
    before = phone.cashier.owed()
    assert phone.pay_refused() == "INSURANCE_REFUSED"
    assert phone.cashier.owed() == before
    assert "重复结算" in phone.cashier.refusal("6202", phone.order())


def test_everything_goes_back(paid: Phone) -> None:
    asked = paid.refund("ALL", "550.00", "100.00", "350.00")
    told = paid.client.output("6203", asked)
    assert told["refStatus"] == "SUCC"
    assert paid.state() == "7"
    assert paid.cashier.account_fen() == 10_000
    owed = paid.cashier.owed()
    assert paid.client.output("6203", asked) == told
    assert paid.cashier.owed() == owed
    asked["data"]["cashRefdAmt"] = "1.00"
    assert "另一笔" in paid.cashier.refusal("6203", asked)


def test_insurance_first_and_cash_in_parts(paid: Phone) -> None:
    paid.client.output("6203", paid.refund("HI", "0", "100.00", "350.00"))
    assert paid.state() == "8"
    paid.client.output("6203", paid.refund("CASH", "50.00"))
    assert paid.state() == "11"
    paid.client.output("6203", paid.refund("CASH", "500.00"))
    assert paid.state() == "7"
    assert "不能退款" in paid.cashier.refusal("6203", paid.refund("CASH", "0.01"))


def test_no_more_cash_goes_back_than_came(paid: Phone) -> None:
    paid.client.output("6203", paid.refund("CASH", "549.00"))
    assert "超过" in paid.cashier.refusal("6203", paid.refund("CASH", "1.01"))
    paid.client.output("6203", paid.refund("CASH", "1.00"))


def test_cash_alone(paid: Phone) -> None:
    before = paid.cashier.owed()
    paid.client.output("6203", paid.refund("CASH", "50.00"))
    assert paid.state() == "10"
    paid.client.output("6203", paid.refund("CASH", "500.00"))
    assert paid.state() == "9"
    assert paid.cashier.owed() == before


WRONG_REFUNDS = {
    "part of the insurance": (("HI", "0", "100.00", "349.99"), "须等于"),
    "cash named insurance": (("HI", "1.00", "100.00", "350.00"), "退费类型"),
    "insurance named cash": (("CASH", "1.00", "100.00", "0"), "须等于"),
    "too much cash": (("CASH", "550.01"), "超过"),
    "all but a part": (("ALL", "549.00", "100.00", "350.00"), "须等于原现金"),
}


@pytest.mark.parametrize("name", WRONG_REFUNDS)
def test_a_wrong_refund_is_refused(paid: Phone, name: str) -> None:
    amounts, message = WRONG_REFUNDS[name]
    assert message in paid.cashier.refusal("6203", paid.refund(*amounts))
    assert paid.state() == "6"


def test_a_refund_must_add_up_and_be_authorized(paid: Phone) -> None:
    assert "之和" in paid.cashier.refusal("6203", paid.refund("CASH", "1.00", totlRefdAmt="2.00"))
    assert "payAuthNo" in paid.cashier.refusal("6203", paid.refund("CASH", "1.00", payAuthNo="0"))


def test_an_unpaid_order_is_not_refunded(phone: Phone) -> None:
    phone.priced()
    assert "不能退款" in phone.cashier.refusal("6203", phone.refund("CASH", "1.00"))

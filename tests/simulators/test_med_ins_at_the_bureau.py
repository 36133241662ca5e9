"""WeChat Pay and the insurance bureau side by side: one password, and both books know it."""

from typing import Any

from tests.simulators.business_days import fen
from tests.simulators.conftest import Simulators
from tests.simulators.raw_med_ins import Hospital, states
from tests.simulators.test_bureau_mobile import Phone


def placed(hospital: Hospital, phone: Phone) -> dict[str, Any]:
    """The order with the shares the bureau has priced."""
    priced = phone.priced()
    total, fund, account, left = (
        fen(f"{priced[name]:.2f}") for name in ("feeSumamt", "fundPay", "psnAcctPay", "ownPayAmt")
    )
    shares = {
        "mix_pay_type": "CASH_AND_INSURANCE",
        "total_fee": total,
        "med_ins_gov_fee": fund,
        "med_ins_self_fee": account,
        "med_ins_other_fee": 0,
        "med_ins_cash_fee": left,
        "wechat_pay_cash_fee": left,
    }
    return hospital.placed(shares, pay_order_id=phone.number, pay_auth_no=priced["payAuthNo"])


def test_the_password_settles_at_the_bureau(simulators: Simulators) -> None:
    hospital, phone = Hospital(simulators), Phone(simulators)
    order = placed(hospital, phone)
    assert phone.state() == "1"
    assert states(hospital.pay(order)) == ("MIX_PAY_SUCCESS", "SELF_PAY_SUCCESS", "MED_INS_PAY_SUCCESS")
    assert phone.state() == "6"
    assert hospital.balance() == 1_000_000 - order["wechat_pay_cash_fee"]


def test_an_order_the_bureau_has_withdrawn_is_not_paid(simulators: Simulators) -> None:
    hospital, phone = Hospital(simulators), Phone(simulators)
    order = placed(hospital, phone)
    simulators.clock.forward(minutes=31)
    assert hospital.phone(order).json()["code"] == "INSURANCE_REFUSED"
    assert hospital.states(order) == ("MIX_PAY_FAIL", "SELF_PAY_FAIL", "MED_INS_PAY_FAIL")
    assert hospital.balance() == 1_000_000
    assert phone.state() == "12"


def test_a_number_the_bureau_never_gave_is_not_paid(simulators: Simulators) -> None:
    hospital = Hospital(simulators)
    order = hospital.placed()
    assert hospital.phone(order).json()["code"] == "INSURANCE_REFUSED"
    assert hospital.balance() == 1_000_000

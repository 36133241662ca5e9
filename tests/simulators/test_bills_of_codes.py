"""What the day's bill says of charged and reversed payment codes."""

from datetime import timedelta

from tests.simulators.business_days import a_new_day, close, fen, move_to, totals
from tests.simulators.conftest import Simulators
from tests.simulators.raw_wechat_pay import WX, Raw, number
from tests.simulators.shops import AlipayShop, WechatShop
from tests.simulators.test_wechat_pay_bills import ask, sheet


def test_a_reversed_code_stands_twice_under_its_own_number(simulators: Simulators) -> None:
    shop, raw, no, kept = WechatShop(simulators), Raw(simulators), number(), number()
    simulators.control(WX, "POST", "/fee-rate", basis_points=60)
    day = a_new_day(simulators)
    assert shop.scan(no)
    assert shop.scan(kept)
    assert shop.cancel(no)
    move_to(simulators, day + timedelta(days=1), 9)
    rows = [row for row in sheet(raw, ask(raw, day)).rows if row["商户订单号"] == no]
    assert [(row["交易类型"], row["交易状态"]) for row in rows] == [
        ("MICROPAY", "SUCCESS"),
        ("MICROPAY", "REVOKED"),
    ]
    assert (rows[1]["商户退款单号"], fen(rows[1]["退款金额"])) == (no, 1230)
    assert sum(fen(row["手续费"]) for row in rows) == 0
    said = totals(simulators, WX, day)
    assert said["book"] == said["bill"]
    assert (said["book"]["paid_fen"], said["book"]["refund_fen"]) == (2460, 1230)
    simulators.control(WX, "POST", "/fee-rate", basis_points=0)


def test_alipays_bill_and_book_agree_about_codes(simulators: Simulators) -> None:
    shop, no, kept = AlipayShop(simulators), number(), number()
    day = a_new_day(simulators)
    assert shop.scan(no)
    assert shop.scan(kept)
    assert shop.cancel(no)
    move_to(simulators, day + timedelta(days=1), 10)
    close(simulators, shop.name, day)
    said = totals(simulators, shop.name, day)
    assert said["book"] == said["bill"]
    assert (said["book"]["paid_fen"], said["book"]["refund_fen"]) == (2460, 1230)

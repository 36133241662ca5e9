"""Whatever is paid and given back over days, the bills of those days say what the book says."""

from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from app.kernel.clock import local_day
from simulators import book, fees
from simulators.bill_lines import Totals
from simulators.bills import Desk, Period
from simulators.wechat_pay import trades
from tests.simulators.business_days import fen
from tests.simulators.test_alipay_bills import tables
from tests.simulators.test_book import (
    OPENIDS,
    START,
    URL,
    AlipayMoves,
    Moves,
    WechatPayMoves,
    attempt,
)
from tests.simulators.test_wechat_pay_bills import Sheet

HOURS = st.sampled_from([5, 10, 24, 72])
OUTCOMES = st.sampled_from(["SUCCESS", "CLOSED", "ABNORMAL"])


class Days(Moves):
    """Days pass, rates change, and after every step each bill is compared with the book."""

    desk: Desk
    fund_kind: str

    @rule(hours=HOURS)
    def hours_pass(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(points=st.sampled_from([0, 20, 60, 1000]))
    def the_contract_changes(self, points: int) -> None:
        fees.set_rate(self.store, points)

    @invariant()
    def bills_say_what_the_book_says(self) -> None:
        self.desk.close_due(self.now)
        day = local_day(START)
        while (period := self.desk.day(day)).begin <= self.now:
            billed, booked = self.desk.billed(period), self.desk.booked(period)
            is_due = period.ready_at <= self.now and booked != Totals(0, 0, 0, 0, 0)
            assert billed is not None or not is_due
            if billed is not None:
                assert billed == booked
                self.check_files(period, booked)
            day += timedelta(days=1)

    def check_files(self, period: Period, booked: Totals) -> None:
        raise NotImplementedError

    def fund_rows(self, content: bytes) -> list[dict[str, str]]:
        raise NotImplementedError


class WechatPayDays(WechatPayMoves, Days):
    fund_kind = "BASIC"

    def __init__(self) -> None:
        super().__init__()
        self.desk = self.platform.desk
        self.numbers = count(1)
        fees.set_rate(self.store, 1000)

    @rule(fen=st.sampled_from([99, 100]), back_fen=st.sampled_from([33, 99]), outcome=OUTCOMES, hours=HOURS)
    def another_is_paid_and_given_back(self, fen: int, back_fen: int, outcome: str, hours: int) -> None:
        number = f"order-more-{next(self.numbers)}"
        identity = self.platform.identity
        asked = {
            "appid": identity.appid,
            "mchid": identity.mchid,
            "description": "挂号",
            "out_trade_no": number,
            "notify_url": URL,
            "amount": {"total": fen},
        }
        trades.place_native(self.platform, self.call(asked))
        attempt(lambda: self.pay(number, OPENIDS[1]))
        self.refund(number, number, back_fen)
        self.decide(number, [outcome])
        self.now += timedelta(hours=hours)

    def check_files(self, period: Period, booked: Totals) -> None:
        content = self.desk.kept(period.name, "ALL")
        if content is not None:
            rows = Sheet(content).rows
            assert sum(fen(row["订单金额"]) for row in rows) == booked.paid_fen
            assert sum(fen(row["申请退款金额"]) for row in rows) == booked.refund_fen
            assert sum(fen(row["手续费"]) for row in rows) == booked.fee_fen
        funds = self.desk.kept(period.name, self.fund_kind)
        if funds is not None:
            last = self.fund_rows(funds)[-1]["账户结余(元)"]
            assert fen(last) == book.balance_before(self.store, self.platform.clearing, period.end)

    def fund_rows(self, content: bytes) -> list[dict[str, str]]:
        return Sheet(content).rows


class AlipayDays(AlipayMoves, Days):
    fund_kind = "signcustomer"

    def __init__(self) -> None:
        super().__init__()
        self.desk = self.platform.desk
        self.numbers = count(1)
        fees.set_rate(self.store, 1000)

    @rule(fen=st.sampled_from([99, 100]))
    def another_is_paid(self, fen: int) -> None:
        self.create_and_pay(f"order-more-{next(self.numbers)}", fen)

    def check_files(self, period: Period, booked: Totals) -> None:
        content = self.desk.kept(period.name, "trade")
        if content is not None:
            rows = tables(content)["业务明细"].rows
            net_fen = booked.paid_fen - booked.refund_fen
            assert sum(fen(row["商家实收（元）"]) for row in rows) == net_fen
            assert sum(fen(row["服务费（元）"]) for row in rows) == -booked.fee_fen
        funds = self.desk.kept(period.name, self.fund_kind)
        if funds is not None:
            last = self.fund_rows(funds)[-1]["账户余额（元）"]
            assert fen(last) == book.balance_before(self.store, self.platform.clearing, period.end)

    def fund_rows(self, content: bytes) -> list[dict[str, str]]:
        return tables(content)["账务明细"].rows


@pytest.mark.parametrize("moves", [WechatPayDays, AlipayDays], ids=["wechat_pay", "alipay"])
def test_bills_and_book_agree(moves: type[Days], keys_folder: Path) -> None:
    moves.keys_folder = keys_folder
    run_state_machine_as_test(
        moves,
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


@pytest.mark.parametrize("moves", [WechatPayDays, AlipayDays], ids=["wechat_pay", "alipay"])
def test_another_business_is_told_under_its_own_reference(moves: type[Days], keys_folder: Path) -> None:
    moves.keys_folder = keys_folder
    days = moves()
    book.move(
        days.store,
        kind="compensation",
        reference="claim-7",
        at=START,
        source=book.BANK,
        target=book.merchant(days.merchant_id),
        amount_fen=250,
    )
    days.hours_pass(24)
    days.bills_say_what_the_book_says()
    kept = days.desk.kept(local_day(START).isoformat(), days.fund_kind)
    assert kept is not None
    [row] = days.fund_rows(kept)
    assert "claim-7" in row.values()
    assert "2.50" in row.values()
    days.teardown()

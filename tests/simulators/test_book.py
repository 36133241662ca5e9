"""Whatever clients and payers do, and in whatever order, the platforms' books stay balanced."""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from simulators import book, payment_codes, people
from simulators.alipay import charging as alipay_charging
from simulators.alipay import gateway as alipay_gateway
from simulators.alipay import paying as alipay_paying
from simulators.alipay import refunds as alipay_refunds
from simulators.alipay import server as alipay
from simulators.alipay.calls import Call as AlipayCall
from simulators.alipay.platform import Alipay
from simulators.alipay.refusals import Refusal as AlipayRefusal
from simulators.people import Payer, PhoneRefusal
from simulators.store import Store
from simulators.wechat_pay import charging, closing, paying, refunds, server, trades
from simulators.wechat_pay.calls import Call
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.refusals import Refusal

NUMBERS = st.sampled_from(["order-1", "order-2"])
REFUND_NUMBERS = st.sampled_from(["back-1", "back-2", "back-3", "back-4"])
AMOUNTS = st.sampled_from([60, 100])
OPENIDS = ("o" + "a" * 27, "o" + "b" * 27)
USER_IDS = ("2088000000000001", "2088000000000002")
URL = "https://hospital.example/notify"
START = datetime(2026, 11, 23, 8, tzinfo=UTC)
LEGAL = {
    "NOTPAY": {"NOTPAY", "SUCCESS", "REFUND", "CLOSED"},
    "SUCCESS": {"SUCCESS", "REFUND", "REVOKED"},
    "USERPAYING": {"USERPAYING", "SUCCESS", "REFUND", "PAYERROR", "REVOKED"},
    "PAYERROR": {"PAYERROR", "REVOKED"},
    "REVOKED": {"REVOKED"},
    "REFUND": {"REFUND"},
    "CLOSED": {"CLOSED"},
    "WAIT_BUYER_PAY": {"WAIT_BUYER_PAY", "TRADE_SUCCESS", "TRADE_FINISHED", "TRADE_CLOSED"},
    "TRADE_SUCCESS": {"TRADE_SUCCESS", "TRADE_FINISHED", "TRADE_CLOSED"},
    "TRADE_FINISHED": {"TRADE_FINISHED"},
    "TRADE_CLOSED": {"TRADE_CLOSED"},
}


async def no_clock() -> datetime:
    raise AssertionError("the rules hand the time in")


class Moves(RuleBasedStateMachine):
    """What both machines share: time, payers, and what must hold after every step."""

    keys_folder: Path
    code_prefix: str
    store: Store
    merchant_id: str

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copytree(self.keys_folder, self.folder / "keys")
        self.now = START
        self.seen: dict[str, str] = {}

    def open_wallets(self, *payer_ids: str) -> None:
        for payer_id in payer_ids:
            people.open_wallet(
                self.store, payer_id=payer_id, second_id=payer_id, opening_fen=1000, at=self.now
            )

    def code_of(self, payer_id: str) -> str:
        """A fresh payment code on this payer's phone."""
        payer = self.payer(payer_id)
        return payment_codes.issue(self.store, payer, prefix=self.code_prefix, now=self.now)

    def payer(self, payer_id: str) -> Payer:
        found = people.find_payer(self.store, payer_id)
        assert found is not None
        return found

    @rule(seconds=st.sampled_from([1, 3, 60, 60, 60, 7200]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @invariant()
    def the_book_is_balanced(self) -> None:
        assert book.is_balanced(self.store)
        totals = book.totals(self.store, self.merchant_id)
        assert totals.net_fen == totals.balance_fen
        assert totals.refunding_fen >= 0

    @invariant()
    def states_only_move_forward(self) -> None:
        for row in self.store.rows("select out_trade_no, state from trade"):
            number, state = str(row["out_trade_no"]), str(row["state"])
            assert state in LEGAL[self.seen.get(number, state)]
            self.seen[number] = state

    @invariant()
    def nothing_gives_back_more_than_it_took(self) -> None:
        for row in self.store.rows("select out_trade_no, paid_at, amount_fen from trade"):
            took_fen = row["amount_fen"] if row["paid_at"] is not None else 0
            assert self.given_back_fen(row["out_trade_no"]) <= took_fen

    def given_back_fen(self, out_trade_no: str) -> int:
        raise NotImplementedError

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)


class WechatPayMoves(Moves):
    def __init__(self) -> None:
        super().__init__()
        self.platform: WechatPay = server.opened(self.folder, no_clock)
        self.store, self.merchant_id = self.platform.store, self.platform.merchant_id
        self.code_prefix = self.platform.code_prefix
        self.open_wallets(*OPENIDS)

    def call(self, content: object = None, **path: str) -> Call:
        signer = self.platform.identity.platform_public_key_id
        mchid = {"mchid": self.platform.identity.mchid}
        return Call(msgspec.json.encode(content), path, mchid, signer, "", self.now)

    @rule(no=NUMBERS, fen=AMOUNTS)
    def order(self, no: str, fen: int) -> None:
        asked = {
            **self.signed_by(),
            "description": "挂号",
            "out_trade_no": no,
            "notify_url": URL,
            "amount": {"total": fen},
            "time_expire": "2026-11-23T20:00:00+08:00",
        }
        attempt(lambda: trades.place_native(self.platform, self.call(asked)))

    @rule(no=NUMBERS, openid=st.sampled_from(OPENIDS))
    def pay(self, no: str, openid: str) -> None:
        trade = trades.find(self.platform, no)
        if trade is not None:
            attempt(lambda: self.pay_code(trade.code_url, openid))

    def pay_code(self, code_url: str | None, openid: str) -> None:
        opened = paying.open_cashier(
            self.platform, self.payer(openid), self.now, pay_params=None, code_url=code_url
        )
        paying.pay(self.platform, opened, self.now)

    @rule(no=NUMBERS, fen=AMOUNTS)
    def order_and_pay(self, no: str, fen: int) -> None:
        self.order(no, fen)
        self.pay(no, OPENIDS[0])

    @rule(back=st.permutations(["back-1", "back-2", "back-3"]), no=NUMBERS, fen=AMOUNTS)
    def refund_in_parts(self, back: list[str], no: str, fen: int) -> None:
        for number in back:
            self.now += timedelta(minutes=1)
            self.refund(no, number, fen)

    @rule(no=NUMBERS)
    def close(self, no: str) -> None:
        asked = {"mchid": self.platform.identity.mchid}
        attempt(lambda: closing.close(self.platform, self.call(asked, out_trade_no=no)))

    @rule(no=NUMBERS, back=REFUND_NUMBERS, fen=AMOUNTS)
    def refund(self, no: str, back: str, fen: int) -> None:
        trade = trades.find(self.platform, no)
        asked = {
            "out_trade_no": no,
            "out_refund_no": back,
            "notify_url": URL,
            "amount": {
                "refund": fen,
                "total": trade.amount_fen if trade is not None else fen,
                "currency": "CNY",
            },
        }
        attempt(lambda: refunds.accept(self.platform, self.call(asked)))

    @rule(no=NUMBERS, fen=AMOUNTS, openid=st.sampled_from(OPENIDS))
    def scan(self, no: str, fen: int, openid: str) -> None:
        asked = {
            **self.signed_by(),
            "description": "挂号",
            "out_trade_no": no,
            "amount": {"total": fen},
            "payer": {"auth_code": self.code_of(openid)},
            "scene_info": {"store_info": {"out_id": "window"}},
        }
        attempt(lambda: charging.charge(self.platform, self.call(asked)))

    @rule(
        no=NUMBERS, openid=st.sampled_from(OPENIDS), act=st.sampled_from([charging.confirm, charging.refuse])
    )
    def answer(self, no: str, openid: str, act: Callable[..., object]) -> None:
        attempt(lambda: act(self.platform, self.payer(openid), no, self.now))

    @rule(no=NUMBERS)
    def reverse(self, no: str) -> None:
        attempt(lambda: charging.reverse(self.platform, self.call(self.signed_by(), out_trade_no=no)))

    def signed_by(self) -> dict[str, str]:
        return {"appid": self.platform.identity.appid, "mchid": self.platform.identity.mchid}

    @rule(
        name=st.sampled_from(
            [
                *("refund_abnormal", "refund_closed", "refund_stuck", "withhold"),
                *("codepay_userpaying", "paid_during_close", "cancel_retry"),
            ]
        )
    )
    def arm(self, name: str) -> None:
        self.platform.faults.arm(name, endpoint="", reference="", times=1, seconds=1)

    @rule(
        back=REFUND_NUMBERS,
        outcomes=st.lists(
            st.sampled_from(["SUCCESS", "CLOSED", "ABNORMAL"]), min_size=1, max_size=2, unique=True
        ),
    )
    def decide(self, back: str, outcomes: list[str]) -> None:
        for outcome in outcomes:
            refund = refunds.find_refund(self.platform, back)
            if refund is not None:
                refunds.finish(self.platform, refund, outcome, self.now)

    @rule()
    def what_is_due_happens(self) -> None:
        trades.lapse(self.platform, self.now)
        refunds.finish_due(self.platform, self.now)

    def given_back_fen(self, out_trade_no: str) -> int:
        made = refunds.refunds_of(self.platform, out_trade_no)
        return sum(refund.amount_fen for refund in made if refund.state != "CLOSED")


class AlipayMoves(Moves):
    def __init__(self) -> None:
        super().__init__()
        self.platform: Alipay = alipay.opened(self.folder, no_clock)
        self.store, self.merchant_id = self.platform.store, self.platform.merchant_id
        self.code_prefix = self.platform.code_prefix
        self.open_wallets(*USER_IDS)
        self.codes: dict[str, str] = {}

    def call(self, method: str, **content: str) -> dict[str, str]:
        with self.store.transaction():
            call = AlipayCall({"notify_url": URL}, content, self.now)
            return alipay_gateway.METHODS[f"alipay.trade.{method}"](self.platform, call)

    @rule(no=NUMBERS, fen=AMOUNTS, user_id=st.sampled_from(USER_IDS))
    def create(self, no: str, fen: int, user_id: str) -> None:
        yuan = f"{fen / 100:.2f}"
        attempt(
            lambda: self.call("create", out_trade_no=no, total_amount=yuan, subject="挂号", buyer_id=user_id)
        )

    @rule(no=NUMBERS, fen=AMOUNTS)
    def offer(self, no: str, fen: int) -> None:
        yuan = f"{fen / 100:.2f}"

        def ask() -> None:
            told = self.call("precreate", out_trade_no=no, total_amount=yuan, subject="押金")
            self.codes[no] = told["qr_code"]

        attempt(ask)

    @rule(no=NUMBERS, user_id=st.sampled_from(USER_IDS), by=st.sampled_from(["code", "number"]))
    def pay(self, no: str, user_id: str, by: str) -> None:
        row = self.store.row("select trade_no from trade where out_trade_no = :no", no=no)
        number = {"tradeNO": row["trade_no"] if row is not None else ""}

        def move() -> None:
            opened = alipay_paying.open_cashier(
                self.platform,
                self.payer(user_id),
                self.now,
                pay_params=number if by == "number" else None,
                qr_code=self.codes.get(no) if by == "code" else None,
            )
            alipay_paying.pay(self.platform, opened, self.now)

        attempt(move)

    @rule(no=NUMBERS, fen=AMOUNTS)
    def create_and_pay(self, no: str, fen: int) -> None:
        self.create(no, fen, USER_IDS[0])
        self.pay(no, USER_IDS[0], "number")

    @rule(back=st.permutations(["back-1", "back-2", "back-3"]), no=NUMBERS, fen=AMOUNTS)
    def refund_in_parts(self, back: list[str], no: str, fen: int) -> None:
        for number in back:
            self.now += timedelta(seconds=3)
            self.refund(no, number, fen)

    @rule(no=NUMBERS, fen=AMOUNTS, user_id=st.sampled_from(USER_IDS))
    def scan(self, no: str, fen: int, user_id: str) -> None:
        code, yuan = self.code_of(user_id), f"{fen / 100:.2f}"
        asked = {"out_trade_no": no, "auth_code": code, "total_amount": yuan, "subject": "挂号"}
        attempt(lambda: self.call("pay", **asked))

    @rule(no=NUMBERS, user_id=st.sampled_from(USER_IDS))
    def confirm(self, no: str, user_id: str) -> None:
        attempt(lambda: alipay_charging.confirm(self.platform, self.payer(user_id), no, self.now))

    @rule(name=st.sampled_from(["codepay_userpaying", "paid_during_close", "cancel_retry", "fund_change_n"]))
    def arm(self, name: str) -> None:
        self.platform.faults.arm(name, endpoint="", reference="", times=1, seconds=1)

    @rule(no=NUMBERS, method=st.sampled_from(["close", "cancel", "query"]))
    def end(self, no: str, method: str) -> None:
        attempt(lambda: self.call(method, out_trade_no=no))

    @rule(no=NUMBERS, back=REFUND_NUMBERS, fen=AMOUNTS)
    def refund(self, no: str, back: str, fen: int) -> None:
        yuan = f"{fen / 100:.2f}"
        attempt(lambda: self.call("refund", out_trade_no=no, out_request_no=back, refund_amount=yuan))

    @rule()
    def what_is_due_happens(self) -> None:
        alipay_paying.lapse(self.platform, self.now)

    def given_back_fen(self, out_trade_no: str) -> int:
        return alipay_refunds.refunded_fen(self.platform, out_trade_no)


def attempt(step: Callable[[], object]) -> None:
    """A refusal is an answer; anything else is a bug."""
    with contextlib.suppress(Refusal, AlipayRefusal, PhoneRefusal):
        step()


@pytest.mark.parametrize("moves", [WechatPayMoves, AlipayMoves], ids=["wechat_pay", "alipay"])
def test_the_book_stays_balanced(moves: type[Moves], keys_folder: Path) -> None:
    moves.keys_folder = keys_folder
    run_state_machine_as_test(
        moves,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def test_an_unbalanced_journal_is_seen(tmp_path: Path) -> None:
    """The positive control: the check that guards every test above can fail."""
    store = Store(tmp_path / "book.sqlite", book.SCHEMA)
    legs = {book.BANK: -5, book.wallet("somebody"): 5}
    book.post(store, kind="opening", reference="somebody", at=START, legs=legs)
    assert book.is_balanced(store)
    with pytest.raises(AssertionError, match="unbalanced"):
        book.post(store, kind="theft", reference="somebody", at=START, legs={book.BANK: -5})
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        store.run("update entry set amount_fen = 6 where amount_fen = 5")
    store.run("insert into entry (journal, account, amount_fen) values (1, 'wallet:thief', 1)")
    assert not book.is_balanced(store)
    store.close()

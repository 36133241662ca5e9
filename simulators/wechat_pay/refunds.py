"""Refunds: accepted at once, done a little later, told to the merchant when over."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from app.kernel.clock import LOCAL
from simulators import fees
from simulators.book import BANK, balance_fen, move, wallet
from simulators.faults import Part
from simulators.notices import is_deliverable
from simulators.store import loaded, stored
from simulators.wechat_pay.calls import Call, Reply, canonical, parse
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.refusals import (
    frequency_limited,
    invalid_request,
    not_enough,
    param_error,
    resource_not_exists,
)
from simulators.wechat_pay.telling import tell
from simulators.wechat_pay.trades import Trade, find, local

REFUNDABLE_FOR = timedelta(days=365)
PARTS_MAX = 50
BETWEEN_REFUNDS = timedelta(minutes=1)
TAKES = timedelta(seconds=1)
NEVER = datetime(9999, 12, 31, tzinfo=UTC)
OUTCOMES = {
    "refund_abnormal": "ABNORMAL",
    "refund_closed": "CLOSED",
    "refund_stuck": "PROCESSING",
}


class RefundAmount(msgspec.Struct, frozen=True):
    refund: Annotated[int, Meta(ge=1)]
    total: Annotated[int, Meta(ge=1)]
    currency: Annotated[str, Meta(pattern=r"^CNY\Z")]


class RefundRequest(msgspec.Struct, frozen=True):
    out_refund_no: Annotated[str, Meta(pattern=r"^[0-9A-Za-z_\-|*@]{1,64}\Z")]
    amount: RefundAmount
    transaction_id: Annotated[str, Meta(max_length=32)] | None = None
    out_trade_no: Annotated[str, Meta(max_length=32)] | None = None
    reason: Annotated[str, Meta(max_length=80)] | None = None
    notify_url: Annotated[str, Meta(max_length=256)] | None = None


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    out_refund_no: str
    refund_id: str
    out_trade_no: str
    amount_fen: int
    notify_url: str
    asked: str
    signer: str
    state: str
    outcome: str
    created_at: str
    due_at: str
    done_at: str | None
    channel: str  # ORIGINAL, or OTHER_BANKCARD once the merchant has named another account
    received_account: str


def accept(platform: WechatPay, call: Call) -> Reply:
    asked = parse(call.body, RefundRequest)
    if asked.notify_url and not is_deliverable(asked.notify_url):
        raise param_error("/notify_url", "须为不带参数的公网https地址", value=asked.notify_url)
    fingerprint = canonical(call.body)
    with platform.store.transaction():
        known = find_refund(platform, asked.out_refund_no)
        if known is not None:
            if known.asked != fingerprint:
                raise invalid_request("订单金额或退款金额与之前请求不一致，请核实后再试")
            return Reply(200, described(platform, known))
        trade = _refundable(platform, asked, call.now)
        outcome, due_at = spoilt_outcome(
            platform, call, endpoint="refund", text=f"{asked.out_refund_no} {trade.out_trade_no}"
        )
        refund = _record(
            platform,
            trade,
            call,
            out_refund_no=asked.out_refund_no,
            fen=asked.amount.refund,
            notify_url=asked.notify_url or "",
            asked=fingerprint,
            outcome=outcome,
            due_at=due_at,
        )
    return Reply(200, described(platform, refund))


def query(platform: WechatPay, call: Call) -> Reply:
    refund = find_refund(platform, call.path["out_refund_no"])
    if refund is None:
        raise resource_not_exists("退款单不存在，请确认退款单号")
    return Reply(200, described(platform, refund))


def find_refund(platform: WechatPay, out_refund_no: str) -> Refund | None:
    row = platform.store.row("select * from refund where out_refund_no = :no", no=out_refund_no)
    return Refund(**dict(row)) if row is not None else None


def refunds_of(platform: WechatPay, out_trade_no: str) -> list[Refund]:
    rows = platform.store.rows(
        "select * from refund where out_trade_no = :no order by created_at", no=out_trade_no
    )
    return [Refund(**dict(row)) for row in rows]


def finish_due(platform: WechatPay, now: datetime) -> int:
    """Bring refunds whose time has come to their end; say how many."""
    due = platform.store.rows(
        "select * from refund where state = 'PROCESSING' and due_at <= :now limit 100",
        now=stored(now),
    )
    for row in due:
        refund = Refund(**dict(row))
        finish(platform, refund, refund.outcome, now)
    return len(due)


def finish(platform: WechatPay, refund: Refund, outcome: str, now: datetime) -> Refund:
    """SUCCESS reaches the payer, CLOSED returns to the merchant, ABNORMAL stays in between."""
    assert outcome in ("SUCCESS", "CLOSED", "ABNORMAL"), outcome
    trade = find(platform, refund.out_trade_no)
    assert trade is not None
    assert trade.payer is not None
    with platform.store.transaction():
        won = platform.store.run(
            """update refund set state = :outcome, done_at = :now
               where out_refund_no = :no and state in ('PROCESSING', 'ABNORMAL')""",
            outcome=outcome,
            now=stored(now),
            no=refund.out_refund_no,
        )
        if won and outcome == "SUCCESS":
            move(
                platform.store,
                kind="refund_success",
                reference=refund.out_refund_no,
                at=now,
                source=platform.in_transit,
                target=wallet(trade.payer) if refund.channel == "ORIGINAL" else BANK,
                amount_fen=refund.amount_fen,
            )
        if won and outcome == "CLOSED":
            fees.undo_refund(
                platform.store,
                merchant_id=platform.merchant_id,
                reference=refund.out_refund_no,
                at=now,
            )
        finished = find_refund(platform, refund.out_refund_no)
        assert finished is not None
        if won and refund.notify_url:
            _tell_end(platform, trade, finished, now)
    return finished


def spoilt_outcome(platform: WechatPay, call: Call, *, endpoint: str, text: str) -> tuple[str, datetime]:
    """How this refund will end, and when: well and soon, unless a fault says otherwise."""
    spoilt = platform.faults.take(Part.COURSE, endpoint=endpoint, text=text)
    outcome = OUTCOMES[spoilt[0].name] if spoilt else "SUCCESS"
    return outcome, NEVER if outcome == "PROCESSING" else call.now + TAKES


def give_all_back(platform: WechatPay, trade: Trade, call: Call) -> None:
    """Reverse a payment: one refund of everything, at once, under the order's own number, untold."""
    _check_balance(platform, trade, trade.amount_fen)
    refund = _record(
        platform,
        trade,
        call,
        out_refund_no=trade.out_trade_no,
        fen=trade.amount_fen,
        notify_url="",
        asked=call.body.decode(),
        outcome="SUCCESS",
        due_at=call.now,
    )
    finish(platform, refund, "SUCCESS", call.now)


def described(platform: WechatPay, refund: Refund) -> dict[str, Any]:
    trade = find(platform, refund.out_trade_no)
    assert trade is not None
    told: dict[str, Any] = {
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": trade.transaction_id,
        "out_trade_no": trade.out_trade_no,
        "channel": refund.channel,
        "user_received_account": refund.received_account,
        "create_time": local(refund.created_at),
        "status": refund.state,
        "funds_account": "AVAILABLE",
        "amount": {
            "total": trade.amount_fen,
            "refund": refund.amount_fen,
            "from": [],
            "payer_total": trade.amount_fen,
            "payer_refund": refund.amount_fen,
            "settlement_refund": refund.amount_fen,
            "settlement_total": trade.amount_fen,
            "discount_refund": 0,
            "currency": "CNY",
        },
        "promotion_detail": [],
    }
    if refund.state == "SUCCESS" and refund.done_at is not None:
        told["success_time"] = local(refund.done_at)
    return told


def _tell_end(platform: WechatPay, trade: Trade, refund: Refund, now: datetime) -> None:
    told = described(platform, refund)
    kept = ("out_refund_no", "refund_id", "out_trade_no", "transaction_id", "success_time")
    amounts = ("total", "refund", "payer_total", "payer_refund")
    tell(
        platform,
        kind=f"REFUND.{refund.state}",
        reference=trade.out_trade_no,
        url=refund.notify_url,
        signer=refund.signer,
        content={
            "mchid": platform.identity.mchid,
            **{name: told[name] for name in kept if name in told},
            "refund_status": refund.state,
            "user_received_account": told["user_received_account"],
            "amount": {name: told["amount"][name] for name in amounts},
        },
        now=now,
    )


def _refundable(platform: WechatPay, asked: RefundRequest, now: datetime) -> Trade:
    """The paid order this refund draws on, or the platform's refusal."""
    if bool(asked.transaction_id) == bool(asked.out_trade_no):
        raise param_error("/transaction_id", "与out_trade_no须二选一")
    row = platform.store.row(
        "select * from trade where transaction_id = :tid or out_trade_no = :no",
        tid=asked.transaction_id,
        no=asked.out_trade_no,
    )
    if row is None:
        raise resource_not_exists("订单号不存在，请确认")
    trade = Trade(**dict(row))
    if trade.state == "REVOKED":
        raise invalid_request("订单已撤销，不能退款")
    if trade.paid_at is None:
        raise invalid_request("订单未支付，不能退款")
    if loaded(trade.paid_at) + REFUNDABLE_FOR < now:
        raise invalid_request("订单支付超过一年，不能退款")
    if asked.amount.total != trade.amount_fen:
        raise invalid_request("订单金额或退款金额与之前请求不一致，请核实后再试")
    _within_limits(platform, trade, asked.amount.refund, now)
    return trade


def _within_limits(platform: WechatPay, trade: Trade, refund_fen: int, now: datetime) -> None:
    earlier = refunds_of(platform, trade.out_trade_no)
    if len(earlier) >= PARTS_MAX:
        raise invalid_request(f"一笔订单最多退款{PARTS_MAX}次")
    if sum(r.amount_fen for r in earlier if r.state != "CLOSED") + refund_fen > trade.amount_fen:
        raise invalid_request("申请退款金额超过订单可退金额")
    if earlier and loaded(earlier[-1].created_at) + BETWEEN_REFUNDS > now:
        raise frequency_limited("同一笔订单的两次退款须间隔一分钟")
    _check_balance(platform, trade, refund_fen)


def _check_balance(platform: WechatPay, trade: Trade, refund_fen: int) -> None:
    fee_back_fen = fees.share_fen(platform.store, trade=trade.out_trade_no, refund_fen=refund_fen)
    if balance_fen(platform.store, platform.clearing) < refund_fen - fee_back_fen:
        raise not_enough("基本账户余额不足，请充值后再试")


def _record(
    platform: WechatPay,
    trade: Trade,
    call: Call,
    *,
    out_refund_no: str,
    fen: int,
    due_at: datetime,
    **more: str,  # notify_url, asked, outcome
) -> Refund:
    platform.store.run(
        """insert into refund (out_refund_no, refund_id, out_trade_no, amount_fen, notify_url,
               asked, signer, state, outcome, created_at, due_at)
           values (:no, :refund_id, :trade, :fen, :notify_url,
               :asked, :signer, 'PROCESSING', :outcome, :now, :due_at)""",
        no=out_refund_no,
        refund_id=_refund_number(call.now),
        trade=trade.out_trade_no,
        fen=fen,
        signer=call.signer,
        now=stored(call.now),
        due_at=stored(due_at),
        **more,
    )
    platform.store.run("update trade set state = 'REFUND' where out_trade_no = :no", no=trade.out_trade_no)
    fees.begin_refund(
        platform.store,
        merchant_id=platform.merchant_id,
        trade=trade.out_trade_no,
        reference=out_refund_no,
        refund_fen=fen,
        at=call.now,
    )
    refund = find_refund(platform, out_refund_no)
    assert refund is not None
    return refund


def _refund_number(now: datetime) -> str:
    day = now.astimezone(LOCAL).strftime("%Y%m%d")
    return f"5030{secrets.randbelow(10**7):07d}{day}{secrets.randbelow(10**10):010d}"

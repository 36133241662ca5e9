"""Refunds: money back to the payer, once per request number."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from simulators import fees
from simulators.alipay.calls import Call, needed, text_of
from simulators.alipay.platform import Alipay
from simulators.alipay.refusals import bad_parameter, business, call_limited
from simulators.alipay.telling import Refunded, tell
from simulators.alipay.trades import Trade, find, named, payer_fields
from simulators.alipay.wording import fen
from simulators.book import balance_fen, move, wallet
from simulators.faults import Part
from simulators.store import loaded, stored
from simulators.wording import local, yuan

BETWEEN_REFUNDS = timedelta(seconds=3)
FINISHED_AFTER = timedelta(days=365)


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    seq: int
    out_trade_no: str
    out_request_no: str
    amount_fen: int
    at: str


def refund(platform: Alipay, call: Call) -> dict[str, Any]:
    """fund_change says whether this very call moved money."""
    trade = named(platform, call)
    amount_fen = fen(call.content.get("refund_amount", ""), "refund_amount")
    request_no = text_of(call, "out_request_no")
    if not request_no and amount_fen != trade.amount_fen:
        raise bad_parameter("部分退款须传 out_request_no")
    request_no = request_no or trade.out_trade_no
    known = find_refund(platform, trade.out_trade_no, request_no)
    if known is not None and known.amount_fen != amount_fen:
        raise business("ACQ.DISCORDANT_REPEAT_REQUEST", "不一致的请求：同一退款请求号金额不同")
    if known is None:
        check_refundable(platform, trade, amount_fen, call.now)
        give_back(platform, trade, request_no, amount_fen, call.now)
    denied = known is None and platform.faults.take(
        Part.COURSE, endpoint="alipay.trade.refund", text=f"{trade.out_trade_no} {request_no}"
    )
    return {
        "out_trade_no": trade.out_trade_no,
        "trade_no": trade.trade_no,
        **payer_fields(platform, trade, "buyer_user_id"),
        "fund_change": "Y" if known is None and not denied else "N",
        "refund_fee": yuan(refunded_fen(platform, trade.out_trade_no)),
        "send_back_fee": yuan(amount_fen if known is None else 0),
        "gmt_refund_pay": local(call.now if known is None else known.at),
    }


def refund_query(platform: Alipay, call: Call) -> dict[str, Any]:
    """An empty success means that no such refund happened."""
    trade = named(platform, call)
    known = find_refund(platform, trade.out_trade_no, needed(call, "out_request_no"))
    if known is None:
        return {}
    return {
        "out_trade_no": trade.out_trade_no,
        "trade_no": trade.trade_no,
        "out_request_no": known.out_request_no,
        "total_amount": yuan(trade.amount_fen),
        "refund_amount": yuan(known.amount_fen),
        "refund_status": "REFUND_SUCCESS",
        "gmt_refund_pay": local(known.at),
    }


def find_refund(platform: Alipay, out_trade_no: str, request_no: str) -> Refund | None:
    row = platform.store.row(
        "select * from refund where out_trade_no = :no and out_request_no = :request_no",
        no=out_trade_no,
        request_no=request_no,
    )
    return Refund(**dict(row)) if row is not None else None


def refunds_of(platform: Alipay, out_trade_no: str) -> list[Refund]:
    rows = platform.store.rows("select * from refund where out_trade_no = :no order by seq", no=out_trade_no)
    return [Refund(**dict(row)) for row in rows]


def refunded_fen(platform: Alipay, out_trade_no: str) -> int:
    return sum(refund.amount_fen for refund in refunds_of(platform, out_trade_no))


def give_back(platform: Alipay, trade: Trade, request_no: str, amount_fen: int, now: datetime) -> None:
    """Move the money back; the trade closes when nothing of it is left."""
    assert trade.payer is not None
    reference = f"{trade.out_trade_no}/{request_no}"
    with platform.store.transaction():
        platform.store.run(
            """insert into refund (out_trade_no, out_request_no, amount_fen, at)
               values (:no, :request_no, :fen, :now)""",
            no=trade.out_trade_no,
            request_no=request_no,
            fen=amount_fen,
            now=stored(now),
        )
        fees.begin_refund(
            platform.store,
            merchant_id=platform.merchant_id,
            trade=trade.out_trade_no,
            reference=reference,
            refund_fen=amount_fen,
            at=now,
        )
        move(
            platform.store,
            kind="refund_success",
            reference=reference,
            at=now,
            source=platform.in_transit,
            target=wallet(trade.payer),
            amount_fen=amount_fen,
        )
        total_fen = refunded_fen(platform, trade.out_trade_no)
        if total_fen == trade.amount_fen:
            platform.store.run(
                """update trade set state = 'TRADE_CLOSED', closed_at = :now
                   where out_trade_no = :no""",
                no=trade.out_trade_no,
                now=stored(now),
            )
        changed = find(platform, trade.out_trade_no)
        assert changed is not None
        tell(platform, changed, now, Refunded(request_no, total_fen, now))


def finish_old(platform: Alipay, now: datetime) -> None:
    """After a year a trade is finished: no refund any more."""
    platform.store.run(
        """update trade set state = 'TRADE_FINISHED'
           where state = 'TRADE_SUCCESS' and paid_at <= :before""",
        before=stored(now - FINISHED_AFTER),
    )


def check_refundable(platform: Alipay, trade: Trade, amount_fen: int, now: datetime) -> None:
    if trade.state == "TRADE_FINISHED":
        raise business("ACQ.TRADE_HAS_FINISHED", "交易已完结，不能退款")
    if trade.state == "TRADE_CLOSED":
        raise business("ACQ.TRADE_HAS_CLOSE", "交易已经关闭，不能退款")
    if trade.state != "TRADE_SUCCESS":
        raise business("ACQ.TRADE_STATUS_ERROR", "交易状态不合法，未支付的交易不能退款")
    earlier = refunds_of(platform, trade.out_trade_no)
    if sum(r.amount_fen for r in earlier) + amount_fen > trade.amount_fen:
        raise business("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "退款金额超过可退金额")
    if earlier and loaded(earlier[-1].at) + BETWEEN_REFUNDS > now:
        raise call_limited("同一笔交易的两次退款须间隔三秒")
    fee_back_fen = fees.share_fen(platform.store, trade=trade.out_trade_no, refund_fen=amount_fen)
    if balance_fen(platform.store, platform.clearing) < amount_fen - fee_back_fen:
        raise business("ACQ.SELLER_BALANCE_NOT_ENOUGH", "卖家余额不足")

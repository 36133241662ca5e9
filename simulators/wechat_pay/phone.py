"""What the payer's phone shows by itself: orders that wait, codes to scan, payments made."""

from datetime import datetime
from typing import Any

from litestar import get, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from simulators.control import payer_called
from simulators.payment_codes import WhichOrder
from simulators.people import Payer
from simulators.store import stored
from simulators.wechat_pay import paying, refunds, trades
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.trades import PREPAY_LIFE, Trade

SHOWN = 20


@get("/payers/{payer:str}/phone")
async def look(state: State, payer: FromPath[str]) -> dict[str, Any]:
    platform: WechatPay = state.platform
    who, now = payer_called(platform, payer), await platform.now()
    trades.lapse(platform, now)
    return {
        "balance_fen": who.balance_fen,
        "orders": [_order(trade) for trade in _open(platform, now) if trade.openid == who.id],
        "codes": [{"code": t.code_url, **_order(t)} for t in _open(platform, now) if t.code_url],
        "paid": [_paid(platform, trade) for trade in _paid_by(platform, who)],
    }


@post("/payers/{payer:str}/taps")
async def tap(state: State, payer: FromPath[str], data: JSONBody[WhichOrder]) -> dict[str, Any]:
    """Pay an order that was placed for this payer, without the mini-program's parameters."""
    platform: WechatPay = state.platform
    who, now = payer_called(platform, payer), await platform.now()
    paid = paying.pay(platform, paying.open_order(platform, who, now, data.out_trade_no), now)
    return {"out_trade_no": paid.out_trade_no, "amount_fen": paid.amount_fen, "paid_at": paid.paid_at}


CONTROL = (look, tap)


def _open(platform: WechatPay, now: datetime) -> list[Trade]:
    rows = platform.store.rows(
        """select * from trade where state = 'NOTPAY' and prepay_at > :since
           order by created_at desc limit :limit""",
        since=stored(now - PREPAY_LIFE),
        limit=SHOWN,
    )
    return [Trade(**dict(row)) for row in rows]


def _paid_by(platform: WechatPay, who: Payer) -> list[Trade]:
    rows = platform.store.rows(
        "select * from trade where payer = :payer order by paid_at desc limit :limit",
        payer=who.id,
        limit=SHOWN,
    )
    return [Trade(**dict(row)) for row in rows]


def _order(trade: Trade) -> dict[str, Any]:
    return {
        "out_trade_no": trade.out_trade_no,
        "description": trade.description,
        "amount_fen": trade.amount_fen,
        "created_at": trade.created_at,
    }


def _paid(platform: WechatPay, trade: Trade) -> dict[str, Any]:
    back = [r.amount_fen for r in refunds.refunds_of(platform, trade.out_trade_no) if r.state == "SUCCESS"]
    return {**_order(trade), "paid_at": trade.paid_at, "refunded_fen": sum(back)}

"""What the payer's phone shows by itself: trades that wait, codes to scan, payments made."""

from typing import Any

from litestar import get, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from simulators.alipay import paying, refunds
from simulators.alipay.platform import Alipay
from simulators.alipay.trades import Trade
from simulators.control import payer_called
from simulators.payment_codes import WhichOrder
from simulators.people import Payer
from simulators.store import stored

SHOWN = 20


@get("/payers/{payer:str}/phone")
async def look(state: State, payer: FromPath[str]) -> dict[str, Any]:
    platform: Alipay = state.platform
    who, now = payer_called(platform, payer), await platform.now()
    paying.lapse(platform, now)
    return {
        "balance_fen": who.balance_fen,
        "orders": [_order(trade) for trade in _open(platform, who)],
        "codes": _codes(platform, stored(now)),
        "paid": [_paid(platform, trade) for trade in _paid_by(platform, who)],
    }


@post("/payers/{payer:str}/taps")
async def tap(state: State, payer: FromPath[str], data: JSONBody[WhichOrder]) -> dict[str, Any]:
    """Pay a trade that waits for this payer, without the mini-program's parameters."""
    platform: Alipay = state.platform
    who, now = payer_called(platform, payer), await platform.now()
    paid = paying.pay(platform, paying.open_order(platform, who, now, data.out_trade_no), now)
    return {"out_trade_no": paid.out_trade_no, "amount_fen": paid.amount_fen, "paid_at": paid.paid_at}


CONTROL = (look, tap)


def _open(platform: Alipay, who: Payer) -> list[Trade]:
    rows = platform.store.rows(
        """select * from trade where state = 'WAIT_BUYER_PAY' and buyer in (:id, :second_id)
           order by created_at desc limit :limit""",
        id=who.id,
        second_id=who.second_id,
        limit=SHOWN,
    )
    return [Trade(**dict(row)) for row in rows]


def _codes(platform: Alipay, now: str) -> list[dict[str, Any]]:
    """Codes nobody has scanned yet: a scanned one is its scanner's trade."""
    rows = platform.store.rows(
        """select * from qr where expires_at > :now and coalesce(pay_by, expires_at) > :now
               and out_trade_no not in (select out_trade_no from trade)
           order by rowid desc limit :limit""",
        now=now,
        limit=SHOWN,
    )
    names = ("out_trade_no", "amount_fen")
    return [
        {"code": row["qr_code"], "description": row["subject"], "created_at": None}
        | {name: row[name] for name in names}
        for row in rows
    ]


def _paid_by(platform: Alipay, who: Payer) -> list[Trade]:
    rows = platform.store.rows(
        "select * from trade where payer = :payer order by paid_at desc limit :limit",
        payer=who.id,
        limit=SHOWN,
    )
    return [Trade(**dict(row)) for row in rows]


def _order(trade: Trade) -> dict[str, Any]:
    return {
        "out_trade_no": trade.out_trade_no,
        "description": trade.subject,
        "amount_fen": trade.amount_fen,
        "created_at": trade.created_at,
    }


def _paid(platform: Alipay, trade: Trade) -> dict[str, Any]:
    back_fen = refunds.refunded_fen(platform, trade.out_trade_no)
    return {**_order(trade), "paid_at": trade.paid_at, "refunded_fen": back_fen}

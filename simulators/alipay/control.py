"""Alipay's part of the control API: what payers tap, and what became of trades."""

from typing import Any

import msgspec
from litestar import Litestar, get, post
from litestar.datastructures import State
from litestar.params import FromPath, FromQuery, JSONBody

from simulators import control, days, payment_codes
from simulators.alipay import charging, paying, phone, refunds, trades
from simulators.alipay.platform import Alipay
from simulators.control import PAGE_MAX, payer_called
from simulators.payment_codes import WhichOrder
from simulators.people import PhoneRefusal


class Cashier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either what my.tradePay was given, or the code that was scanned."""

    pay_params: dict[str, str] | None = None
    qr_code: str | None = None

    def __post_init__(self) -> None:
        if (self.pay_params is None) == (self.qr_code is None):
            raise ValueError("pay_params or qr_code, one of them")


class Scan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    qr_code: str


def app(platform: Alipay) -> Litestar:
    return control.app(
        platform,
        *payment_codes.CONTROL,
        *(pay, scan, abandon, asked_to_confirm, confirm, refuse, orders, order),
        *days.CONTROL,
        *phone.CONTROL,
    )


@post("/payers/{payer:str}/payments")
async def pay(state: State, payer: FromPath[str], data: JSONBody[Cashier]) -> dict[str, Any]:
    platform: Alipay = state.platform
    now = await platform.now()
    opened = paying.open_cashier(
        platform,
        payer_called(platform, payer),
        now,
        pay_params=data.pay_params,
        qr_code=data.qr_code,
    )
    return _receipt(paying.pay(platform, opened, now))


@post("/payers/{payer:str}/scans", status_code=200)
async def scan(state: State, payer: FromPath[str], data: JSONBody[Scan]) -> dict[str, Any]:
    """The payer scans: from now on there is a trade, waiting for the password."""
    platform: Alipay = state.platform
    who, now = payer_called(platform, payer), await platform.now()
    opened = paying.open_cashier(platform, who, now, pay_params=None, qr_code=data.qr_code)
    return {
        "out_trade_no": opened.trade.out_trade_no,
        "trade_no": opened.trade.trade_no,
        "description": opened.trade.subject,
        "amount_fen": opened.trade.amount_fen,
    }


@post("/payers/{payer:str}/abandonments", status_code=200)
async def abandon(state: State, payer: FromPath[str], data: JSONBody[Cashier]) -> dict[str, Any]:
    """The payer closes the cashier: the trade keeps waiting."""
    platform: Alipay = state.platform
    opened = paying.open_cashier(
        platform,
        payer_called(platform, payer),
        await platform.now(),
        pay_params=data.pay_params,
        qr_code=data.qr_code,
    )
    return {"result": "6001", "out_trade_no": opened.trade.out_trade_no}


@get("/payers/{payer:str}/confirmations")
async def asked_to_confirm(state: State, payer: FromPath[str]) -> dict[str, Any]:
    """The charged codes whose password the phone asks for."""
    platform: Alipay = state.platform
    waiting = charging.awaiting(platform, payer_called(platform, payer), await platform.now())
    return {
        "items": [
            {"out_trade_no": t.out_trade_no, "description": t.subject, "amount_fen": t.amount_fen}
            for t in waiting
        ]
    }


@post("/payers/{payer:str}/confirmations")
async def confirm(state: State, payer: FromPath[str], data: JSONBody[WhichOrder]) -> dict[str, Any]:
    """The payer types the password."""
    platform: Alipay = state.platform
    who = payer_called(platform, payer)
    return _receipt(charging.confirm(platform, who, data.out_trade_no, await platform.now()))


@post("/payers/{payer:str}/refusals", status_code=200)
async def refuse(state: State, payer: FromPath[str], data: JSONBody[WhichOrder]) -> dict[str, Any]:
    """The payer closes the password box: the trade keeps waiting."""
    platform: Alipay = state.platform
    who = payer_called(platform, payer)
    charging.refuse(platform, who, data.out_trade_no, await platform.now())
    return {"result": "6001", "out_trade_no": data.out_trade_no}


@get("/orders")
async def orders(state: State, after: FromQuery[int] = 0, limit: FromQuery[int] = PAGE_MAX) -> dict[str, Any]:
    rows = state.platform.store.rows(
        "select rowid, out_trade_no from trade where rowid > :after order by rowid limit :limit",
        after=after,
        limit=min(limit, PAGE_MAX),
    )
    more = len(rows) == min(limit, PAGE_MAX)
    return {
        "items": [_order(state.platform, row["out_trade_no"]) for row in rows],
        "next": rows[-1]["rowid"] if rows and more else None,
    }


@get("/orders/{out_trade_no:str}")
async def order(state: State, out_trade_no: FromPath[str]) -> dict[str, Any]:
    platform: Alipay = state.platform
    paying.lapse(platform, await platform.now())
    return _order(platform, out_trade_no)


def _receipt(paid: trades.Trade) -> dict[str, Any]:
    return {
        "result": "9000",
        "out_trade_no": paid.out_trade_no,
        "trade_no": paid.trade_no,
        "amount_fen": paid.amount_fen,
        "paid_at": paid.paid_at,
    }


def _order(platform: Alipay, out_trade_no: str) -> dict[str, Any]:
    trade = trades.find(platform, out_trade_no)
    if trade is None:
        raise PhoneRefusal(404, "NOT_FOUND", "没有这笔交易（预下单的二维码扫码前没有交易）")
    made = refunds.refunds_of(platform, out_trade_no)
    return {
        "out_trade_no": trade.out_trade_no,
        "state": trade.state,
        "trade_type": trade.product,
        "amount_fen": trade.amount_fen,
        "paid_fen": trade.amount_fen if trade.paid_at is not None else 0,
        "refunded_fen": sum(r.amount_fen for r in made),
        "trade_no": trade.trade_no,
        "payer": trade.payer,
        "created_at": trade.created_at,
        "expires_at": trade.expires_at,
        "paid_at": trade.paid_at,
        "refunds": [
            {"out_request_no": r.out_request_no, "amount_fen": r.amount_fen, "state": "SUCCESS"} for r in made
        ],
    }

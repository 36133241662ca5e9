"""WeChat Pay's part of the control API: what payers tap, and what becomes of orders."""

from typing import Any, Literal

import msgspec
from litestar import Litestar, get, post
from litestar.datastructures import State
from litestar.params import FromPath, FromQuery, JSONBody

from simulators import control, days, payment_codes
from simulators.control import PAGE_MAX, payer_called
from simulators.payment_codes import WhichOrder
from simulators.people import PhoneRefusal
from simulators.wechat_pay import (
    charging,
    control_keys,
    control_mini_program,
    control_mixed,
    paying,
    phone,
    refunds,
    trades,
)
from simulators.wechat_pay.platform import WechatPay


class Cashier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either what wx.requestPayment was given, or the code that was scanned."""

    pay_params: dict[str, str] | None = None
    code_url: str | None = None

    def __post_init__(self) -> None:
        if (self.pay_params is None) == (self.code_url is None):
            raise ValueError("pay_params or code_url, one of them")


class Scan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code_url: str


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    status: Literal["SUCCESS", "CLOSED", "ABNORMAL"]


def app(platform: WechatPay) -> Litestar:
    return control.app(
        platform,
        *payment_codes.CONTROL,
        *(pay, scan, abandon, asked_to_confirm, confirm, refuse),
        *(orders, order, end_refund),
        *control_mini_program.CONTROL,
        *control_mixed.CONTROL,
        *days.CONTROL,
        *control_keys.HANDLERS,
        *phone.CONTROL,
    )


@post("/payers/{payer:str}/payments")
async def pay(state: State, payer: FromPath[str], data: JSONBody[Cashier]) -> dict[str, Any]:
    platform: WechatPay = state.platform
    now = await platform.now()
    opened = paying.open_cashier(
        platform,
        payer_called(platform, payer),
        now,
        pay_params=data.pay_params,
        code_url=data.code_url,
    )
    return _receipt(paying.pay(platform, opened, now))


@post("/payers/{payer:str}/scans", status_code=200)
async def scan(state: State, payer: FromPath[str], data: JSONBody[Scan]) -> dict[str, Any]:
    """The payer looks at the code and sees whom and how much."""
    platform: WechatPay = state.platform
    who, now = payer_called(platform, payer), await platform.now()
    opened = paying.open_cashier(platform, who, now, pay_params=None, code_url=data.code_url)
    return {
        "out_trade_no": opened.trade.out_trade_no,
        "description": opened.trade.description,
        "amount_fen": opened.trade.amount_fen,
    }


@post("/payers/{payer:str}/abandonments", status_code=200)
async def abandon(state: State, payer: FromPath[str], data: JSONBody[Cashier]) -> dict[str, Any]:
    """The payer closes the cashier: the order stays unpaid."""
    platform: WechatPay = state.platform
    opened = paying.open_cashier(
        platform,
        payer_called(platform, payer),
        await platform.now(),
        pay_params=data.pay_params,
        code_url=data.code_url,
    )
    return {"result": "requestPayment:fail cancel", "out_trade_no": opened.trade.out_trade_no}


@get("/payers/{payer:str}/confirmations")
async def asked_to_confirm(state: State, payer: FromPath[str]) -> dict[str, Any]:
    """The charged codes whose password the phone asks for."""
    platform: WechatPay = state.platform
    waiting = charging.awaiting(platform, payer_called(platform, payer), await platform.now())
    return {
        "items": [
            {"out_trade_no": t.out_trade_no, "description": t.description, "amount_fen": t.amount_fen}
            for t in waiting
        ]
    }


@post("/payers/{payer:str}/confirmations")
async def confirm(state: State, payer: FromPath[str], data: JSONBody[WhichOrder]) -> dict[str, Any]:
    """The payer types the password."""
    platform: WechatPay = state.platform
    who = payer_called(platform, payer)
    return _receipt(charging.confirm(platform, who, data.out_trade_no, await platform.now()))


@post("/payers/{payer:str}/refusals", status_code=200)
async def refuse(state: State, payer: FromPath[str], data: JSONBody[WhichOrder]) -> dict[str, Any]:
    """The payer closes the password box."""
    platform: WechatPay = state.platform
    who = payer_called(platform, payer)
    charging.refuse(platform, who, data.out_trade_no, await platform.now())
    return {"result": "requestPayment:fail cancel", "out_trade_no": data.out_trade_no}


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
    platform: WechatPay = state.platform
    trades.lapse(platform, await platform.now())
    return _order(platform, out_trade_no)


@post("/refunds/{out_refund_no:str}/outcome", status_code=200)
async def end_refund(state: State, out_refund_no: FromPath[str], data: JSONBody[Outcome]) -> dict[str, Any]:
    """Decide what becomes of a refund that is under way, or stuck as abnormal."""
    platform: WechatPay = state.platform
    refund = refunds.find_refund(platform, out_refund_no)
    if refund is None:
        raise PhoneRefusal(404, "NOT_FOUND", "没有这笔退款")
    ended = refunds.finish(platform, refund, data.status, await platform.now())
    return {"out_refund_no": ended.out_refund_no, "state": ended.state}


def _receipt(paid: trades.Trade) -> dict[str, Any]:
    return {
        "result": "requestPayment:ok",
        "out_trade_no": paid.out_trade_no,
        "transaction_id": paid.transaction_id,
        "amount_fen": paid.amount_fen,
        "paid_at": paid.paid_at,
    }


def _order(platform: WechatPay, out_trade_no: str) -> dict[str, Any]:
    trade = trades.find(platform, out_trade_no)
    if trade is None:
        raise PhoneRefusal(404, "NOT_FOUND", "没有这张订单")
    made = refunds.refunds_of(platform, out_trade_no)
    return {
        "out_trade_no": trade.out_trade_no,
        "state": trade.state,
        "trade_type": trade.trade_type,
        "amount_fen": trade.amount_fen,
        "paid_fen": trade.amount_fen if trade.paid_at is not None else 0,
        "refunded_fen": sum(r.amount_fen for r in made if r.state == "SUCCESS"),
        "transaction_id": trade.transaction_id,
        "payer": trade.payer,
        "created_at": trade.created_at,
        "expires_at": trade.expires_at,
        "paid_at": trade.paid_at,
        "refunds": [
            {"out_refund_no": r.out_refund_no, "amount_fen": r.amount_fen, "state": r.state} for r in made
        ],
    }

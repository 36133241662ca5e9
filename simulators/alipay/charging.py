"""Payment codes: the cashier scans the payer's phone and the platform takes the money at once.

Small sums are taken without asking; for others the reply is 10003 and the trade waits for the
password on the payer's phone until it lapses or is cancelled.
"""

import re
from datetime import datetime
from typing import Any

from simulators.alipay.calls import Call, canonical, needed, text_of
from simulators.alipay.paying import Opened, check_payable, lapse, pay
from simulators.alipay.platform import Alipay
from simulators.alipay.refusals import Refusal, bad_parameter, business
from simulators.alipay.trades import (
    Trade,
    amount_of,
    described,
    expires_at_of,
    find,
    insert,
    notify_url_of,
    paid_amounts,
    same,
)
from simulators.faults import Part
from simulators.payment_codes import Flaw, is_spent_for, needs_password, spend
from simulators.people import Payer, PhoneRefusal
from simulators.wording import local

METHOD = "alipay.trade.pay"
AUTH_CODE = re.compile(r"(2[5-9]|30)\d{14,22}\Z", re.ASCII)
PRODUCTS = ("", "FACE_TO_FACE_PAYMENT", "OFFLINE_PAYMENT")
FLAWS = {Flaw.UNKNOWN: "付款码无效", Flaw.USED: "付款码已使用", Flaw.EXPIRED: "付款码已过期"}
# The gateway's own text, leading blank included.
WAITING = {"code": "10003", "msg": " order success pay inprocess"}


def charge(platform: Alipay, call: Call) -> dict[str, Any]:
    """Take the money, or ask the payer. A refusal is said, not raised: the code stays used up."""
    out_trade_no = needed(call, "out_trade_no")
    try:
        trade = _charged(platform, call, out_trade_no)
    except Refusal as refusal:
        return {**refusal.as_json(), "out_trade_no": out_trade_no, **paid_amounts(0)}
    told = described(platform, trade)
    if trade.paid_at is None:
        return told | WAITING
    return told | {"gmt_payment": local(trade.paid_at)}


def confirm(platform: Alipay, payer: Payer, out_trade_no: str, now: datetime) -> Trade:
    """The payer types the password."""
    return pay(platform, Opened(_awaited(platform, payer, out_trade_no, now), payer), now)


def refuse(platform: Alipay, payer: Payer, out_trade_no: str, now: datetime) -> Trade:
    """The payer closes the password box: the trade keeps waiting, and can still be paid."""
    return _awaited(platform, payer, out_trade_no, now)


def awaiting(platform: Alipay, payer: Payer, now: datetime) -> list[Trade]:
    """What the payer's phone asks the password for."""
    lapse(platform, now)
    rows = platform.store.rows(
        """select * from trade where product = 'CODE' and state = 'WAIT_BUYER_PAY' and buyer = :buyer
           order by created_at""",
        buyer=payer.id,
    )
    return [Trade(**dict(row)) for row in rows]


def _charged(platform: Alipay, call: Call, out_trade_no: str) -> Trade:
    """The trade of this number, paid or waiting for the password, or the refusal."""
    code, amount_fen = _check(call), amount_of(call)
    # Another code may be tried for the same order: it is the order that must not change.
    order = {name: value for name, value in call.content.items() if name != "auth_code"}
    asked = canonical(call._replace(content=order))
    known = find(platform, out_trade_no)
    if known is not None:
        same(known, asked)
        if is_spent_for(platform.store, code, out_trade_no):
            return known
    payer = _payer_of(platform, code, out_trade_no, call.now)
    if known is not None and known.buyer != payer.id:
        raise business("ACQ.TRADE_BUYER_NOT_MATCH", "交易买家不匹配，请更换商户订单号")
    if payer.balance_fen < amount_fen:
        raise business("ACQ.BUYER_BALANCE_NOT_ENOUGH", "买家余额不足")
    trade = known or insert(
        platform,
        call.now,
        out_trade_no=out_trade_no,
        product="CODE",
        buyer=payer.id,
        subject=needed(call, "subject"),
        passback_params=text_of(call, "passback_params") or None,
        notify_url=notify_url_of(call),
        fen=amount_fen,
        asked=asked,
        expires_at=expires_at_of(call),
    )
    forced = platform.faults.take(Part.CHARGING, endpoint=METHOD, text=out_trade_no)
    if forced is not None or needs_password(platform.store, payer, amount_fen):
        return trade
    return pay(platform, Opened(trade, payer), call.now)


def _check(call: Call) -> str:
    """The payment code, once everything the platform checks before looking it up is well formed."""
    code = needed(call, "auth_code")
    if text_of(call, "scene") not in ("", "bar_code"):
        raise bad_parameter("scene")
    if text_of(call, "product_code") not in PRODUCTS:
        raise bad_parameter("product_code")
    needed(call, "subject")
    notify_url_of(call)
    expires_at_of(call)
    if not AUTH_CODE.match(code):
        raise _invalid("不是支付宝的付款码")
    return code


def _payer_of(platform: Alipay, code: str, out_trade_no: str, now: datetime) -> Payer:
    payer = spend(platform.store, code, order=out_trade_no, now=now)
    if isinstance(payer, Flaw):
        raise _invalid(FLAWS[payer])
    return payer


def _invalid(why: str) -> Refusal:
    return business("ACQ.PAYMENT_AUTH_CODE_INVALID", f"支付失败，{why}，请顾客刷新付款码后重新收款")


def _awaited(platform: Alipay, payer: Payer, out_trade_no: str, now: datetime) -> Trade:
    """The trade this payer is asked about, or what the phone shows instead."""
    lapse(platform, now)
    trade = find(platform, out_trade_no)
    if trade is None or trade.product != "CODE":
        raise PhoneRefusal(404, "NOT_FOUND", "没有等待这位付款人确认的交易")
    check_payable(trade, payer)
    return trade

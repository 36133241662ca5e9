"""Orders that medical insurance and the payer's cash pay together: placed, asked about, lapsing.

The cash share is an ordinary JSAPI order of the same number, and its money is booked like any
other. The insurance share is only remembered: the fund pays the hospital through the bureau, and
no fen of it ever passes WeChat Pay's accounts or stands in its bills.
"""

import secrets
from datetime import datetime
from typing import Any

import msgspec

from app.kernel.clock import LOCAL
from simulators.store import loaded, stored
from simulators.wechat_pay import trades
from simulators.wechat_pay.calls import Call, Reply, parse
from simulators.wechat_pay.medical_credentials import check_persons
from simulators.wechat_pay.mixed_rules import MixedRequest, check
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.refunds import refunds_of
from simulators.wechat_pay.refusals import (
    Refusal,
    order_closed,
    order_paid,
    param_error,
    rule_limit,
)
from simulators.wechat_pay.trades import PREPAY_LIFE, Trade, local

LAPSED = "订单超时未支付或已关闭"


class MixedOrder(msgspec.Struct, frozen=True, kw_only=True):
    mix_trade_no: str
    out_trade_no: str
    openid: str
    callback_url: str
    signer: str
    asked: str  # what is told again, as JSON
    state: str  # REFUND is not stored: it follows from the refunds
    med_ins_state: str
    fail_reason: str | None
    created_at: str
    expires_at: str
    settles_at: str | None  # cash is paid, and the bureau's answer comes then
    paid_at: str | None

    @property
    def fields(self) -> dict[str, Any]:
        return msgspec.json.decode(self.asked, type=dict[str, Any])


def place(platform: WechatPay, call: Call) -> Reply:
    """A number is good once: a repeat is ALREADY_EXISTS, however equal, and the merchant asks first."""
    asked = parse(call.body, MixedRequest)
    check(asked)
    trades.check_appid(platform, asked.appid)
    check_persons(platform, call, asked)
    lapse(platform, call.now)
    with platform.store.transaction():
        if find(platform, out_trade_no=asked.out_trade_no) is not None:
            raise Refusal(400, "ALREADY_EXISTS", "订单已存在，请查询后重试或更换商户订单号")
        expires_at = call.now + PREPAY_LIFE
        if asked.has_cash:
            expires_at = loaded(_cash_order(platform, asked, call.now).prepay_at) + PREPAY_LIFE
        order = _insert(platform, call, asked, expires_at)
    return Reply(200, described(platform, order))


def query_by_mix_trade_no(platform: WechatPay, call: Call) -> Reply:
    return _queried(platform, call, mix_trade_no=call.path["mix_trade_no"])


def query_by_out_trade_no(platform: WechatPay, call: Call) -> Reply:
    return _queried(platform, call, out_trade_no=call.path["out_trade_no"])


def find(platform: WechatPay, *, mix_trade_no: str = "", out_trade_no: str = "") -> MixedOrder | None:
    row = platform.store.row(
        "select * from mixed_order where mix_trade_no = :mix or out_trade_no = :out",
        mix=mix_trade_no,
        out=out_trade_no,
    )
    return MixedOrder(**dict(row)) if row is not None else None


def not_found() -> Refusal:
    return Refusal(404, "NOT_FOUND", "未找到订单，请确认订单号是否正确")


def lapse(platform: WechatPay, now: datetime) -> int:
    """Fail what was not paid in time, or whose cash order was closed; say how many."""
    trades.lapse(platform, now)
    return platform.store.run(
        """update mixed_order set state = 'MIX_PAY_FAIL', fail_reason = :reason, med_ins_state =
               case med_ins_state when 'NO_MED_INS_PAY' then med_ins_state else 'MED_INS_PAY_FAIL' end
           where state = 'MIX_PAY_CREATED' and settles_at is null
               and out_trade_no not in (select value from json_each(:verifying))
               and (expires_at <= :now or out_trade_no in
                   (select out_trade_no from trade where state = 'CLOSED'))""",
        reason=LAPSED,
        verifying=msgspec.json.encode(platform.verifying).decode(),
        now=stored(now),
    )


def described(platform: WechatPay, order: MixedOrder) -> dict[str, Any]:
    """An order as query and notification tell it, with the three states a merchant must judge."""
    self_pay, med_ins = _self_pay_status(platform, order), _med_ins_status(platform, order)
    is_over = self_pay in ("SELF_PAY_REFUND", "NO_SELF_PAY") and med_ins in (
        "MED_INS_PAY_REFUND",
        "NO_MED_INS_PAY",
    )
    told: dict[str, Any] = {
        "mix_trade_no": order.mix_trade_no,
        "mix_pay_status": "MIX_PAY_REFUND" if is_over and order.state == "MIX_PAY_SUCCESS" else order.state,
        "self_pay_status": self_pay,
        "med_ins_pay_status": med_ins,
        **order.fields,
    }
    if order.paid_at is not None:
        told["paid_time"] = local(order.paid_at)
    if med_ins == "MED_INS_PAY_FAIL":
        told["med_ins_fail_reason"] = order.fail_reason
    return told


def _queried(platform: WechatPay, call: Call, **which: str) -> Reply:
    lapse(platform, call.now)
    order = find(platform, **which)
    if order is None:
        raise not_found()
    return Reply(200, described(platform, order))


def _self_pay_status(platform: WechatPay, order: MixedOrder) -> str:
    """The cash share, as its ordinary order stands; refunded once all of it has gone back."""
    if order.fields["mix_pay_type"] == "INSURANCE_ONLY":
        return "NO_SELF_PAY"
    trade = trades.find(platform, order.out_trade_no)
    assert trade is not None, "a cash share has its order"
    if trade.paid_at is not None:
        back_fen = sum(r.amount_fen for r in refunds_of(platform, trade.out_trade_no) if r.state == "SUCCESS")
        return "SELF_PAY_REFUND" if back_fen == trade.amount_fen else "SELF_PAY_SUCCESS"
    return "SELF_PAY_CREATED" if order.state == "MIX_PAY_CREATED" else "SELF_PAY_FAIL"


def _med_ins_status(platform: WechatPay, order: MixedOrder) -> str:
    told_back = platform.store.value(
        "select 1 from med_ins_refund where mix_trade_no = :no", no=order.mix_trade_no
    )
    return "MED_INS_PAY_REFUND" if told_back else order.med_ins_state


def _cash_order(platform: WechatPay, asked: MixedRequest, now: datetime) -> Trade:
    """The unpaid JSAPI order of the same number, payer and amount, or the platform's refusal."""
    trade = trades.find(platform, asked.out_trade_no)
    if trade is None or trade.prepay_id != asked.prepay_id:
        raise param_error("/prepay_id", "自费预下单ID与商户订单号不匹配，请先完成JSAPI自费下单")
    if trade.openid != asked.openid:
        raise param_error("/openid", "请确认AppID与OpenID是否正确，须与自费下单一致")
    if trade.amount_fen != asked.cash_fen:
        raise rule_limit("wechat_pay_cash_fee与自费下单金额不一致")
    if trade.state == "CLOSED" or loaded(trade.prepay_at) + PREPAY_LIFE <= now:
        raise order_closed()
    if trade.state != "NOTPAY":
        raise order_paid()
    return trade


def _insert(platform: WechatPay, call: Call, asked: MixedRequest, expires_at: datetime) -> MixedOrder:
    stamp = call.now.astimezone(LOCAL).strftime("%Y%m%d%H%M%S")
    number = f"{stamp}{secrets.randbelow(10**16):016d}"
    platform.store.run(
        """insert into mixed_order (mix_trade_no, out_trade_no, openid, callback_url, signer, asked,
               state, med_ins_state, created_at, expires_at)
           values (:number, :out_trade_no, :openid, :callback_url, :signer, :asked,
               'MIX_PAY_CREATED', :med_ins_state, :now, :expires_at)""",
        number=number,
        out_trade_no=asked.out_trade_no,
        openid=asked.openid,
        callback_url=asked.callback_url,
        signer=call.signer,
        asked=msgspec.json.encode(asked.told()).decode(),
        med_ins_state="MED_INS_PAY_CREATED" if asked.has_insurance else "NO_MED_INS_PAY",
        now=stored(call.now),
        expires_at=stored(expires_at),
    )
    order = find(platform, mix_trade_no=number)
    assert order is not None
    return order

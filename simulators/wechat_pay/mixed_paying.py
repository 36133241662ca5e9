"""One password for insurance and cash: what `wx.requestMedicalInsurancePay` does on the phone.

The bureau settles first, then the cash is taken: a cash order can always be given back, a
settlement cannot always be reversed.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from simulators.faults import Armed, Part
from simulators.people import Payer, PhoneRefusal
from simulators.store import stored
from simulators.wechat_pay import trades
from simulators.wechat_pay.bureau import BureauRefused, settle
from simulators.wechat_pay.mixed_orders import MixedOrder, described, find, lapse
from simulators.wechat_pay.paying import Opened, pay
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.signing import is_pay_sign
from simulators.wechat_pay.telling import tell
from simulators.wechat_pay.trades import Trade

CASH_PARAMS = ("timeStamp", "nonceStr", "package", "signType", "paySign")
REFUSED_BY_FAULT = "医保局业务错误：医保结算失败"
CASH_NOT_TAKEN = "现金部分扣款失败"


class Cashier(NamedTuple):
    order: MixedOrder
    payer: Payer
    cash: Trade | None  # the unpaid cash order, if there is a cash share

    @property
    def has_insurance(self) -> bool:
        return self.order.med_ins_state != "NO_MED_INS_PAY"


def open_cashier(platform: WechatPay, payer: Payer, params: Mapping[str, str], now: datetime) -> Cashier:
    """The cashier the mini-program opens, or the error it shows; the parameters are the page's."""
    lapse(platform, now)
    order = find(platform, mix_trade_no=params.get("mixTradeNo", ""))
    if order is None:
        raise PhoneRefusal(404, "NOT_FOUND", "没有这张医保混合订单")
    if order.openid != payer.id:
        raise PhoneRefusal(409, "PAYER_MISMATCH", "下单账号与支付账号不一致")
    if order.state == "MIX_PAY_FAIL":
        raise PhoneRefusal(409, "ORDER_CLOSED", "订单已失败或关闭")
    if order.state != "MIX_PAY_CREATED" or order.settles_at or order.out_trade_no in platform.verifying:
        raise PhoneRefusal(409, "ORDER_PAID", "订单已支付或正在支付")
    return Cashier(order, payer, _cash_order(platform, order, params))


async def pay_both(platform: WechatPay, cashier: Cashier, now: datetime) -> MixedOrder:
    """The payer types the password once; what comes of it is in the order's three states.

    PhoneRefusal when nothing has moved. While the bureau is asked, the cash order cannot be closed.
    """
    order, payer, cash = cashier
    if cash is not None and payer.balance_fen < cash.amount_fen:
        raise PhoneRefusal(409, "NOT_ENOUGH", "零钱余额不足")
    taken = platform.faults.take(
        Part.SETTLING, endpoint="med_ins_pay", text=f"{order.mix_trade_no} {order.out_trade_no}"
    )
    fault, armed = (taken[0].name, taken[1]) if taken is not None else ("", None)
    reason = REFUSED_BY_FAULT if fault == "insurance_fails" and cashier.has_insurance else None
    platform.verifying.add(order.out_trade_no)
    try:
        if cashier.has_insurance and reason is None:
            fields = order.fields
            await settle(platform, fields["pay_order_id"], cash_fen=fields["med_ins_cash_fee"])
        with platform.store.transaction():
            cash_is_paid = fault != "cash_fails" and _take_cash(platform, cashier, now)
            _conclude(platform, order, reason, cash_is_paid=cash_is_paid, late=_late(fault, armed), now=now)
    except BureauRefused as refusal:
        _fail(platform, order, str(refusal), "MED_INS_PAY_FAIL")
        raise PhoneRefusal(409, "INSURANCE_REFUSED", str(refusal)) from refusal
    finally:
        platform.verifying.discard(order.out_trade_no)
    return _again(platform, order)


def settle_due(platform: WechatPay, now: datetime) -> int:
    """Let the late answers of the bureau arrive; say how many."""
    rows = platform.store.rows(
        "select * from mixed_order where state = 'MIX_PAY_CREATED' and settles_at <= :now limit 100",
        now=stored(now),
    )
    for row in rows:
        with platform.store.transaction():
            _succeed(platform, MixedOrder(**dict(row)), now)
    return len(rows)


def _cash_order(platform: WechatPay, order: MixedOrder, params: Mapping[str, str]) -> Trade | None:
    """The cash share's order, once the merchant's signature over its prepay_id has been believed."""
    given = [name for name in CASH_PARAMS if params.get(name)]
    if order.fields["mix_pay_type"] == "INSURANCE_ONLY":
        if given:
            raise PhoneRefusal(400, "PARAM_ERROR", f"纯医保订单不要传{given[0]}")
        return None
    if len(given) < len(CASH_PARAMS):
        raise PhoneRefusal(400, "PARAM_ERROR", "订单含自费部分，timeStamp等自费支付参数必填")
    appid = params.get("appid", platform.identity.appid)
    is_ours = appid == platform.identity.appid and is_pay_sign(platform, {**params, "appId": appid})
    if not is_ours:
        raise PhoneRefusal(400, "PAY_SIGN_INVALID", "支付验证签名失败")
    cash = trades.find(platform, order.out_trade_no)
    if cash is None or params["package"] != f"prepay_id={cash.prepay_id}":
        raise PhoneRefusal(400, "PREPAY_MISMATCH", "package须为下单时的prepay_id=...")
    if cash.state != "NOTPAY":
        raise PhoneRefusal(409, "ORDER_PAID", "自费订单已支付")
    return cash


def _take_cash(platform: WechatPay, cashier: Cashier, now: datetime) -> bool:
    """Move the cash share; False when it can no longer be moved, whatever has become of it."""
    if cashier.cash is None:
        return True
    cash = trades.find(platform, cashier.order.out_trade_no)
    if cash is None or cash.state != "NOTPAY":
        return False
    try:
        pay(platform, Opened(cash, cashier.payer), now)
    except PhoneRefusal:  # spent elsewhere while the bureau was asked
        return False
    return True


def _late(fault: str, armed: Armed | None) -> timedelta:
    return timedelta(seconds=armed.seconds if armed is not None and fault == "insurance_late" else 0)


def _conclude(
    platform: WechatPay,
    order: MixedOrder,
    reason: str | None,
    *,
    cash_is_paid: bool,
    late: timedelta,
    now: datetime,
) -> None:
    has_insurance = order.med_ins_state != "NO_MED_INS_PAY"
    if reason is not None:
        _fail(platform, order, reason, "MED_INS_PAY_FAIL")
    elif not cash_is_paid:
        _fail(platform, order, CASH_NOT_TAKEN, "MED_INS_PAY_SUCCESS" if has_insurance else "NO_MED_INS_PAY")
    elif late and has_insurance:
        platform.store.run(
            "update mixed_order set settles_at = :at where mix_trade_no = :no",
            at=stored(now + late),
            no=order.mix_trade_no,
        )
    else:
        _succeed(platform, order, now)


def _fail(platform: WechatPay, order: MixedOrder, reason: str, med_ins_state: str) -> None:
    platform.store.run(
        """update mixed_order
           set state = 'MIX_PAY_FAIL', med_ins_state = :med_ins_state, fail_reason = :reason
           where mix_trade_no = :no and state = 'MIX_PAY_CREATED'""",
        med_ins_state=med_ins_state,
        reason=reason,
        no=order.mix_trade_no,
    )


def _succeed(platform: WechatPay, order: MixedOrder, now: datetime) -> None:
    platform.store.run(
        """update mixed_order
           set state = 'MIX_PAY_SUCCESS', paid_at = :now, settles_at = null, med_ins_state =
               case med_ins_state when 'NO_MED_INS_PAY' then med_ins_state else 'MED_INS_PAY_SUCCESS' end
           where mix_trade_no = :no and state = 'MIX_PAY_CREATED'""",
        now=stored(now),
        no=order.mix_trade_no,
    )
    tell(
        platform,
        kind="MEDICAL_INSURANCE.SUCCESS",
        reference=order.out_trade_no,
        url=order.callback_url,
        signer=order.signer,
        content=described(platform, _again(platform, order)),
        now=now,
    )


def _again(platform: WechatPay, order: MixedOrder) -> MixedOrder:
    found = find(platform, mix_trade_no=order.mix_trade_no)
    assert found is not None
    return found

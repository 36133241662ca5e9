"""Closing an unpaid order, and the payer who pays at that very moment."""

from datetime import datetime

import msgspec

from simulators.faults import Part
from simulators.people import OPENING_BALANCE_FEN, open_wallet
from simulators.wechat_pay.calls import Call, Reply, parse
from simulators.wechat_pay.paying import Opened, pay
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.refusals import invalid_request, order_not_exist, order_paid
from simulators.wechat_pay.trades import BY_CODE, Trade, find, same_merchant


class CloseRequest(msgspec.Struct, frozen=True):
    mchid: str


def close(platform: WechatPay, call: Call) -> Reply:
    """Closing again is fine; closing what is paid, or charged by a payment code, is not."""
    same_merchant(platform, parse(call.body, CloseRequest).mchid)
    trade = find(platform, call.path["out_trade_no"])
    if trade is None:
        raise order_not_exist()
    if trade.trade_type == BY_CODE:
        raise invalid_request("付款码支付的订单不能关单，请调用撤销接口")
    if trade.state in ("SUCCESS", "REFUND") or _was_paid_meanwhile(platform, trade, call.now):
        raise order_paid()
    if trade.out_trade_no in platform.verifying:
        raise invalid_request("已完成验密，不允许关单")
    platform.store.run(
        "update trade set state = 'CLOSED' where out_trade_no = :no and state = 'NOTPAY'",
        no=trade.out_trade_no,
    )
    return Reply(204)


def _was_paid_meanwhile(platform: WechatPay, trade: Trade, now: datetime) -> bool:
    """With the fault armed: whoever holds the order pays it between the check and the answer."""
    if trade.state != "NOTPAY":
        return False
    if platform.faults.take(Part.CLOSING, endpoint="close", text=trade.out_trade_no) is None:
        return False
    openid, _ = platform.payer_ids(trade.openid or None)
    payer, _ = open_wallet(
        platform.store, payer_id=openid, second_id="", opening_fen=OPENING_BALANCE_FEN, at=now
    )
    if payer.balance_fen < trade.amount_fen:
        return False
    pay(platform, Opened(trade, payer), now)
    return True

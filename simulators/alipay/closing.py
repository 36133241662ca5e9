"""Closing or cancelling a trade, and the payer who pays at that very moment."""

from datetime import datetime, timedelta
from typing import Any

from simulators.alipay.calls import Call, text_of
from simulators.alipay.paying import Opened, pay
from simulators.alipay.platform import Alipay
from simulators.alipay.refunds import check_refundable, give_back, refunded_fen
from simulators.alipay.refusals import Refusal, business
from simulators.alipay.trades import Trade, close_unpaid, named
from simulators.faults import Part
from simulators.people import find_payer
from simulators.store import loaded

CANCEL_WITHIN = timedelta(days=1)


def close(platform: Alipay, call: Call) -> dict[str, Any]:
    """Only what waits for its payer can be closed."""
    trade = named(platform, call)
    if trade.state != "WAIT_BUYER_PAY":
        raise business("ACQ.TRADE_STATUS_ERROR", "交易状态不合法，非待支付状态下不支持关单操作")
    if _was_paid_meanwhile(platform, trade, call.now):
        # Said, not raised: what the payer did in between stays done.
        return business("ACQ.TRADE_HAS_SUCCESS", "交易已被支付").as_json()
    close_unpaid(platform, trade, call.now)
    return {"out_trade_no": trade.out_trade_no, "trade_no": trade.trade_no}


def cancel(platform: Alipay, call: Call) -> dict[str, Any]:
    """Make an unknown outcome certain: close what is unpaid, refund what is paid.

    Without a trade there is nothing to act on, and a QR code that nobody has scanned stays
    payable until its own timeout. `retry_flag` Y means that nothing has been decided yet.
    """
    try:
        trade = named(platform, call)
    except Refusal as refusal:
        if refusal.sub_code != "ACQ.TRADE_NOT_EXIST":
            raise
        return {"out_trade_no": text_of(call, "out_trade_no"), "retry_flag": "N"}
    told = {"out_trade_no": trade.out_trade_no, "trade_no": trade.trade_no, "retry_flag": "N"}
    if platform.faults.take(Part.CANCELLING, endpoint="alipay.trade.cancel", text=trade.out_trade_no):
        return told | {"retry_flag": "Y"}
    if trade.state == "WAIT_BUYER_PAY":
        close_unpaid(platform, trade, call.now)
        return told | {"action": "close"}
    if trade.state == "TRADE_CLOSED":
        return told
    _give_all_back(platform, trade, call.now)
    return told | {"action": "refund"}


def _give_all_back(platform: Alipay, trade: Trade, now: datetime) -> None:
    if trade.state == "TRADE_FINISHED":
        raise business("ACQ.TRADE_HAS_FINISHED", "交易已完结，不能撤销")
    if trade.paid_at is not None and loaded(trade.paid_at) + CANCEL_WITHIN < now:
        raise business("ACQ.TRADE_CANCEL_TIME_OUT", "超过撤销时间范围，请改用退款")
    if refunded_fen(platform, trade.out_trade_no):
        raise business("ACQ.REASON_TRADE_REFUND_FEE_ERR", "已经退过款的交易不能撤销")
    check_refundable(platform, trade, trade.amount_fen, now)
    give_back(platform, trade, trade.out_trade_no, trade.amount_fen, now)


def _was_paid_meanwhile(platform: Alipay, trade: Trade, now: datetime) -> bool:
    """With the fault armed: the buyer pays between the check and the answer."""
    if platform.faults.take(Part.CLOSING, endpoint="alipay.trade.close", text=trade.out_trade_no) is None:
        return False
    payer = find_payer(platform.store, trade.buyer)
    if payer is None or payer.balance_fen < trade.amount_fen:
        return False
    pay(platform, Opened(trade, payer), now)
    return True

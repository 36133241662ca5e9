"""What payers do on their phones: scan, pay, walk away."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from simulators import fees
from simulators.alipay.platform import Alipay
from simulators.alipay.telling import tell
from simulators.alipay.trades import Offer, Trade, find, lapsed, open_scanned
from simulators.book import move, wallet
from simulators.people import Payer, PhoneRefusal
from simulators.store import loaded, stored


class Opened(NamedTuple):
    trade: Trade
    payer: Payer


def open_cashier(
    platform: Alipay,
    payer: Payer,
    now: datetime,
    *,
    pay_params: Mapping[str, str] | None,
    qr_code: str | None,
) -> Opened:
    """The cashier page that my.tradePay or a scan opens, or the error it shows instead."""
    lapse(platform, now)
    if pay_params is not None:
        trade = _by_number(platform, pay_params.get("tradeNO", ""))
    else:
        trade = _by_scan(platform, payer, qr_code or "", now)
    check_payable(trade, payer)
    return Opened(trade, payer)


def check_payable(trade: Trade, payer: Payer) -> None:
    """Show what the phone shows when this payer cannot pay this trade."""
    if trade.buyer not in (payer.id, payer.second_id):
        raise PhoneRefusal(409, "PAYER_MISMATCH", "这笔交易属于另一位付款人")
    if trade.state == "TRADE_CLOSED":
        raise PhoneRefusal(409, "ORDER_CLOSED", "交易已关闭")
    if trade.state != "WAIT_BUYER_PAY":
        raise PhoneRefusal(409, "ORDER_PAID", "交易已支付")


def open_order(platform: Alipay, payer: Payer, now: datetime, out_trade_no: str) -> Opened:
    """The cashier page of a trade that was created for this payer, as the mini-program would open it."""
    lapse(platform, now)
    trade = find(platform, out_trade_no)
    if trade is None:
        raise PhoneRefusal(404, "NOT_FOUND", "没有这笔交易")
    check_payable(trade, payer)
    return Opened(trade, payer)


def pay(platform: Alipay, opened: Opened, now: datetime) -> Trade:
    """The money moves and the merchant will be told."""
    trade, payer = opened
    if payer.balance_fen < trade.amount_fen:
        raise PhoneRefusal(409, "NOT_ENOUGH", "余额不足")
    with platform.store.transaction():
        won = platform.store.run(
            """update trade set state = 'TRADE_SUCCESS', payer = :payer, paid_at = :now
               where out_trade_no = :no and state = 'WAIT_BUYER_PAY'""",
            payer=payer.id,
            now=stored(now),
            no=trade.out_trade_no,
        )
        assert won == 1, "the cashier was opened a moment ago, in the same step"
        move(
            platform.store,
            kind="payment",
            reference=trade.out_trade_no,
            at=now,
            source=wallet(payer.id),
            target=platform.clearing,
            amount_fen=trade.amount_fen,
        )
        fees.charge(
            platform.store,
            merchant_id=platform.merchant_id,
            trade=trade.out_trade_no,
            amount_fen=trade.amount_fen,
            at=now,
        )
        paid = find(platform, trade.out_trade_no)
        assert paid is not None
        tell(platform, paid, now)
    return paid


def lapse(platform: Alipay, now: datetime) -> None:
    """Close what was not paid in time, and tell."""
    with platform.store.transaction():
        for trade in lapsed(platform, now):
            tell(platform, trade, now)


def _by_number(platform: Alipay, trade_no: str) -> Trade:
    row = platform.store.row("select * from trade where trade_no = :no", no=trade_no)
    if row is None:
        raise PhoneRefusal(404, "NOT_FOUND", "没有这笔交易")
    return Trade(**dict(row))


def _by_scan(platform: Alipay, payer: Payer, qr_code: str, now: datetime) -> Trade:
    row = platform.store.row("select * from qr where qr_code = :qr", qr=qr_code)
    if row is None:
        raise PhoneRefusal(404, "NOT_FOUND", "没有这个二维码")
    offer = Offer(**dict(row))
    known = find(platform, offer.out_trade_no)
    too_late = loaded(offer.expires_at) <= now or (offer.pay_by is not None and loaded(offer.pay_by) <= now)
    if known is None and too_late:
        raise PhoneRefusal(409, "PREPAY_EXPIRED", "二维码已过期，请商户重新生成")
    trade = open_scanned(platform, offer, payer.id, now)
    if trade is None:
        raise PhoneRefusal(409, "CONTEXT_INCONSISTENT", "交易信息与已有交易不一致")
    return trade

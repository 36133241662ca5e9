"""What payers do on their phones: pay, look, walk away."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from app.kernel.clock import LOCAL
from simulators import fees
from simulators.book import move, wallet
from simulators.people import Payer, PhoneRefusal
from simulators.store import loaded, stored
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.signing import is_pay_sign
from simulators.wechat_pay.telling import tell
from simulators.wechat_pay.trades import BY_CODE, PREPAY_LIFE, Trade, described, find, lapse


class Opened(NamedTuple):
    trade: Trade
    payer: Payer


def open_cashier(
    platform: WechatPay,
    payer: Payer,
    now: datetime,
    *,
    pay_params: Mapping[str, str] | None,
    code_url: str | None,
) -> Opened:
    """The cashier page that wx.requestPayment or a scan opens, or the error it shows instead."""
    lapse(platform, now)
    if pay_params is not None:
        trade = _by_prepay(platform, pay_params)
        if trade.openid != payer.id:
            raise PhoneRefusal(409, "PAYER_MISMATCH", "下单账号与支付账号不一致")
    else:
        trade = _by_code(platform, code_url or "")
    _check_payable(trade, now)
    return Opened(trade, payer)


def open_order(platform: WechatPay, payer: Payer, now: datetime, out_trade_no: str) -> Opened:
    """The cashier page of an order that was placed for this payer, as the mini-program would open it."""
    lapse(platform, now)
    trade = find(platform, out_trade_no)
    if trade is None or trade.openid != payer.id:
        raise PhoneRefusal(404, "NOT_FOUND", "没有等待这位付款人的订单")
    _check_payable(trade, now)
    return Opened(trade, payer)


def pay(platform: WechatPay, opened: Opened, now: datetime) -> Trade:
    """The money moves; the merchant will be told, unless a payment code was charged."""
    trade, payer = opened
    if payer.balance_fen < trade.amount_fen:
        raise PhoneRefusal(409, "NOT_ENOUGH", "零钱余额不足")
    with platform.store.transaction():
        won = platform.store.run(
            """update trade set state = 'SUCCESS', transaction_id = :transaction_id,
                   payer = :payer, paid_at = :now
               where out_trade_no = :no and state in ('NOTPAY', 'USERPAYING')""",
            transaction_id=transaction_number(now),
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
        if paid.trade_type != BY_CODE:
            tell(
                platform,
                kind="TRANSACTION.SUCCESS",
                reference=paid.out_trade_no,
                url=paid.notify_url,
                signer=paid.signer,
                content=described(platform, paid),
                now=now,
            )
    return paid


def transaction_number(now: datetime) -> str:
    day = now.astimezone(LOCAL).strftime("%Y%m%d")
    return f"42000{secrets.randbelow(10**5):05d}{day}{secrets.randbelow(10**10):010d}"


def _check_payable(trade: Trade, now: datetime) -> None:
    if trade.state == "CLOSED":
        raise PhoneRefusal(409, "ORDER_CLOSED", "订单已关闭")
    if trade.state != "NOTPAY":
        raise PhoneRefusal(409, "ORDER_PAID", "订单已支付")
    if loaded(trade.prepay_at) + PREPAY_LIFE <= now:
        raise PhoneRefusal(409, "PREPAY_EXPIRED", "订单已超过两小时，请重新下单")


def _by_prepay(platform: WechatPay, params: Mapping[str, str]) -> Trade:
    signed = params.get("appId") == platform.identity.appid and is_pay_sign(platform, params)
    if not signed:
        raise PhoneRefusal(400, "PAY_SIGN_INVALID", "支付验证签名失败")
    prepay_id = params["package"].removeprefix("prepay_id=")
    return _found(platform, "select * from trade where prepay_id = :key", prepay_id)


def _by_code(platform: WechatPay, code_url: str) -> Trade:
    return _found(platform, "select * from trade where code_url = :key", code_url)


def _found(platform: WechatPay, sql: str, key: str) -> Trade:
    row = platform.store.row(sql, key=key)
    if row is None:
        raise PhoneRefusal(404, "NOT_FOUND", "没有这张订单，二维码或预支付编号可能已更换")
    return Trade(**dict(row))

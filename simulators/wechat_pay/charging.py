"""Payment codes: the cashier scans the payer's phone and the platform takes the money at once.

Nothing of this is ever notified. Small sums are taken without asking; for others the phone asks for
the password while the merchant's queries hear USERPAYING.
"""

from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from simulators.faults import Part
from simulators.payment_codes import Flaw, needs_password, spend
from simulators.people import Payer, PhoneRefusal
from simulators.store import loaded
from simulators.wechat_pay import refunds
from simulators.wechat_pay.calls import Call, Reply, canonical, parse
from simulators.wechat_pay.paying import Opened, pay
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.refusals import (
    Refusal,
    invalid_request,
    not_enough,
    order_closed,
    order_not_exist,
    out_trade_no_used,
    param_error,
    user_paying,
)
from simulators.wechat_pay.trades import (
    BY_CODE,
    AnyOrder,
    ReverseRequest,
    Trade,
    check_merchant,
    described,
    find,
    insert,
    lapse,
)

CONFIRM_WITHIN = timedelta(seconds=45)  # as long as a merchant is advised to go on asking
REVERSIBLE_FOR = timedelta(days=7)
FLAWS = {
    Flaw.UNKNOWN: ("AUTH_CODE_INVALID", "付款码无效，请重新扫码"),
    Flaw.USED: ("AUTH_CODE_INVALID", "每个二维码仅限使用一次，请刷新再试"),
    Flaw.EXPIRED: ("AUTH_CODE_EXPIRED", "付款码已过期，请用户刷新后再试"),
}

Place = Annotated[str, Meta(min_length=1, max_length=32)]


class StoreInfo(msgspec.Struct, frozen=True):
    """Where the cashier stands: the platform's number of the place, or the merchant's own."""

    id: Place | None = None
    out_id: Place | None = None


class SceneInfo(msgspec.Struct, frozen=True):
    store_info: StoreInfo


class Code(msgspec.Struct, frozen=True):
    auth_code: Annotated[str, Meta(pattern=r"^1[0-5][0-9]{16}\Z")]


class CodepayRequest(AnyOrder, frozen=True, kw_only=True):
    payer: Code
    scene_info: SceneInfo


def charge(platform: WechatPay, call: Call) -> Reply:
    """Take the money, or ask the payer; the same request again tells what became of the order."""
    asked = parse(call.body, CodepayRequest)
    check_merchant(platform, asked)
    store_info = asked.scene_info.store_info
    if store_info.id is None and store_info.out_id is None:
        raise param_error("/scene_info/store_info", "id与out_id须二选一")
    lapse(platform, call.now)
    fingerprint = canonical(call.body, trade_type=BY_CODE)
    with platform.store.transaction():
        known = find(platform, asked.out_trade_no)
        if known is None:
            trade = _charge_first(platform, call, asked, fingerprint)
        elif known.asked == fingerprint:
            trade = known
        else:
            raise out_trade_no_used()
    if trade.state == "PAYERROR" and known is None:
        raise not_enough("用户账号余额不足，请用户换卡支付")
    return _told(platform, trade)


def reverse(platform: WechatPay, call: Call) -> Reply:
    """Make it certain: what is paid goes back in full, what is not will never be paid."""
    check_merchant(platform, parse(call.body, ReverseRequest))
    lapse(platform, call.now)
    with platform.store.transaction():
        trade = find(platform, call.path["out_trade_no"])
        if trade is None:
            raise order_not_exist()
        _check_reversible(platform, trade, call.now)
        if trade.state == "SUCCESS":
            refunds.give_all_back(platform, trade, call)
        platform.store.run(
            "update trade set state = 'REVOKED' where out_trade_no = :no", no=trade.out_trade_no
        )
    identity = platform.identity
    return Reply(200, {"appid": identity.appid, "mchid": identity.mchid, "out_trade_no": trade.out_trade_no})


def confirm(platform: WechatPay, payer: Payer, out_trade_no: str, now: datetime) -> Trade:
    """The payer types the password."""
    return pay(platform, Opened(_awaited(platform, payer, out_trade_no, now), payer), now)


def refuse(platform: WechatPay, payer: Payer, out_trade_no: str, now: datetime) -> None:
    """The payer closes the password box: the payment has failed."""
    trade = _awaited(platform, payer, out_trade_no, now)
    platform.store.run("update trade set state = 'PAYERROR' where out_trade_no = :no", no=trade.out_trade_no)


def awaiting(platform: WechatPay, payer: Payer, now: datetime) -> list[Trade]:
    """What the payer's phone asks the password for."""
    lapse(platform, now)
    rows = platform.store.rows(
        "select * from trade where state = 'USERPAYING' and openid = :openid order by created_at",
        openid=payer.id,
    )
    return [Trade(**dict(row)) for row in rows]


def _charge_first(platform: WechatPay, call: Call, asked: CodepayRequest, fingerprint: str) -> Trade:
    fen = asked.amount.total
    payer = spend(platform.store, asked.payer.auth_code, order=asked.out_trade_no, now=call.now)
    if isinstance(payer, Flaw):
        raise Refusal(400, *FLAWS[payer])
    forced = platform.faults.take(Part.CHARGING, endpoint="codepay", text=asked.out_trade_no)
    has_money = payer.balance_fen >= fen
    insert(
        platform,
        call,
        asked,
        trade_type=BY_CODE,
        openid=payer.id,
        notify_url="",
        fingerprint=fingerprint,
        state="USERPAYING" if has_money else "PAYERROR",
        expires_at=call.now + CONFIRM_WITHIN,
    )
    trade = find(platform, asked.out_trade_no)
    assert trade is not None
    if has_money and forced is None and not needs_password(platform.store, payer, fen):
        return pay(platform, Opened(trade, payer), call.now)
    return trade


def _told(platform: WechatPay, trade: Trade) -> Reply:
    if trade.state == "USERPAYING":
        # The error table names a code, merchants report a bare trade_state: a client may read either.
        paying = user_paying()
        return Reply(paying.status, {**paying.as_json(), "trade_state": trade.state})
    if trade.state == "REVOKED":
        raise order_closed()
    if trade.state == "PAYERROR":
        raise Refusal(403, "TRADE_ERROR", "交易失败，请更换商户订单号重新支付")
    return Reply(200, described(platform, trade))


def _check_reversible(platform: WechatPay, trade: Trade, now: datetime) -> None:
    if trade.trade_type != BY_CODE:
        raise invalid_request("订单支付场景有误，拒绝请求")
    if platform.faults.take(Part.CANCELLING, endpoint="reverse", text=trade.out_trade_no) is not None:
        raise user_paying()
    if trade.state == "REFUND":
        raise invalid_request("订单已转入退款，不能撤销")
    if trade.state != "REVOKED" and loaded(trade.created_at) + REVERSIBLE_FOR < now:
        raise invalid_request("订单已超过七天的撤销有效期，请改用退款")


def _awaited(platform: WechatPay, payer: Payer, out_trade_no: str, now: datetime) -> Trade:
    """The order this payer is asked about, or what the phone shows instead."""
    lapse(platform, now)
    trade = find(platform, out_trade_no)
    if trade is None or trade.trade_type != BY_CODE:
        raise PhoneRefusal(404, "NOT_FOUND", "没有等待这位付款人确认的订单")
    if trade.openid != payer.id:
        raise PhoneRefusal(409, "PAYER_MISMATCH", "这张订单属于另一位付款人")
    if trade.state in ("SUCCESS", "REFUND"):
        raise PhoneRefusal(409, "ORDER_PAID", "订单已支付")
    if trade.state != "USERPAYING":
        raise PhoneRefusal(409, "ORDER_CLOSED", "收银台已关闭")
    return trade

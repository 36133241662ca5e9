"""Orders: placed by the merchant, asked about, closed, and lapsing by themselves."""

import secrets
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from app.kernel.clock import LOCAL
from simulators.store import loaded, stored
from simulators.wechat_pay.calls import Call, Reply, canonical, check_notify_url, parse
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.refusals import (
    Refusal,
    order_closed,
    order_not_exist,
    order_paid,
    out_trade_no_used,
    param_error,
    sign_error,
)

LAPSES_AFTER = timedelta(days=7)
PREPAY_LIFE = timedelta(hours=2)
BY_CODE = "MICROPAY"  # the trade type of a payment code

Openid = Annotated[str, Meta(pattern=r"^o[0-9A-Za-z_\-]{27}\Z")]
OutTradeNo = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_\-|*]{6,32}\Z")]


class Amount(msgspec.Struct, frozen=True):
    total: Annotated[int, Meta(ge=1, le=10**10)]
    currency: Annotated[str, Meta(pattern=r"^CNY\Z")] = "CNY"


class WhoPays(msgspec.Struct, frozen=True):
    openid: Openid


class AnyOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What every kind of order has; optional fields the book has no use for pass unread."""

    appid: Annotated[str, Meta(min_length=1, max_length=32)]
    mchid: Annotated[str, Meta(min_length=1, max_length=32)]
    description: Annotated[str, Meta(min_length=1, max_length=127)]
    out_trade_no: OutTradeNo
    amount: Amount
    attach: Annotated[str, Meta(max_length=128)] | None = None


class OrderRequest(AnyOrder, frozen=True, kw_only=True):
    """An order the payer opens on the phone, and whose payment is told."""

    notify_url: Annotated[str, Meta(min_length=1, max_length=255)]
    time_expire: Annotated[str, Meta(max_length=64)] | None = None


class JsapiRequest(OrderRequest, frozen=True, kw_only=True):
    payer: WhoPays


class ReverseRequest(msgspec.Struct, frozen=True):
    appid: str
    mchid: str


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    out_trade_no: str
    trade_type: str
    openid: str
    description: str
    attach: str | None
    notify_url: str
    amount_fen: int
    asked: str
    signer: str
    state: str
    created_at: str
    expires_at: str
    prepay_id: str | None
    prepay_at: str
    code_url: str | None
    transaction_id: str | None
    payer: str | None
    paid_at: str | None


def place_jsapi(platform: WechatPay, call: Call) -> Reply:
    asked = parse(call.body, JsapiRequest)
    trade = _place(platform, call, asked, trade_type="JSAPI", openid=asked.payer.openid)
    return Reply(200, {"prepay_id": trade.prepay_id})


def place_native(platform: WechatPay, call: Call) -> Reply:
    asked = parse(call.body, OrderRequest)
    trade = _place(platform, call, asked, trade_type="NATIVE", openid="")
    return Reply(200, {"code_url": trade.code_url})


def query_by_out_trade_no(platform: WechatPay, call: Call) -> Reply:
    same_merchant(platform, call.query.get("mchid", ""))
    lapse(platform, call.now)
    trade = find(platform, call.path["out_trade_no"])
    if trade is None:
        raise order_not_exist()
    return Reply(200, described(platform, trade))


def query_by_transaction(platform: WechatPay, call: Call) -> Reply:
    same_merchant(platform, call.query.get("mchid", ""))
    row = platform.store.row("select * from trade where transaction_id = :id", id=call.path["transaction_id"])
    if row is None:
        raise order_not_exist()
    return Reply(200, described(platform, Trade(**dict(row))))


def find(platform: WechatPay, out_trade_no: str) -> Trade | None:
    row = platform.store.row("select * from trade where out_trade_no = :no", no=out_trade_no)
    return Trade(**dict(row)) if row is not None else None


def lapse(platform: WechatPay, now: datetime) -> int:
    """Close what was not paid in time, and fail what was not confirmed in time; say how many."""
    return platform.store.run(
        """update trade set state = case state when 'NOTPAY' then 'CLOSED' else 'PAYERROR' end
           where state in ('NOTPAY', 'USERPAYING') and expires_at <= :now""",
        now=stored(now),
    )


def described(platform: WechatPay, trade: Trade) -> dict[str, Any]:
    """An order as query and notification tell it."""
    told: dict[str, Any] = {
        "appid": platform.identity.appid,
        "mchid": platform.identity.mchid,
        "out_trade_no": trade.out_trade_no,
        "trade_state": trade.state,
        "trade_state_desc": STATES[trade.state],
        "amount": {"total": trade.amount_fen, "currency": "CNY"},
    }
    if trade.attach is not None:
        told["attach"] = trade.attach
    if trade.paid_at is not None:
        told |= {
            "transaction_id": trade.transaction_id,
            "trade_type": trade.trade_type,
            "bank_type": "OTHERS",
            "success_time": local(trade.paid_at),
            "payer": {"openid": trade.payer},
            "promotion_detail": [],
        }
        told["amount"] |= {"payer_total": trade.amount_fen, "payer_currency": "CNY"}
    elif trade.openid:
        told["payer"] = {"openid": trade.openid}
    return told


def local(text: str) -> str:
    """A stored instant as the platform writes it: RFC 3339, Beijing time."""
    return loaded(text).astimezone(LOCAL).isoformat(timespec="seconds")


def check_merchant(platform: WechatPay, asked: AnyOrder | ReverseRequest) -> None:
    """Refuse a merchant number that did not sign, and an application not bound to it."""
    same_merchant(platform, asked.mchid)
    check_appid(platform, asked.appid)


def check_appid(platform: WechatPay, appid: str) -> None:
    if appid != platform.identity.appid:
        raise Refusal(400, "APPID_MCHID_NOT_MATCH", "商户号mchid与appid不匹配，请检查绑定关系")


def same_merchant(platform: WechatPay, mchid: str) -> None:
    if mchid != platform.identity.mchid:
        raise sign_error("Http头Authorization中的mchid与请求中的mchid不匹配，请检查", field="mchid")


def insert(
    platform: WechatPay,
    call: Call,
    asked: AnyOrder,
    *,
    trade_type: str,
    openid: str,
    notify_url: str,
    fingerprint: str,
    state: str,
    expires_at: datetime,
) -> None:
    """Write down a new order."""
    platform.store.run(
        """insert into trade (out_trade_no, trade_type, openid, description, attach, notify_url,
               amount_fen, asked, signer, state, created_at, expires_at, prepay_at)
           values (:no, :trade_type, :openid, :description, :attach, :notify_url,
               :fen, :asked, :signer, :state, :now, :expires_at, :now)""",
        no=asked.out_trade_no,
        trade_type=trade_type,
        openid=openid,
        description=asked.description,
        attach=asked.attach,
        notify_url=notify_url,
        fen=asked.amount.total,
        asked=fingerprint,
        signer=call.signer,
        state=state,
        now=stored(call.now),
        expires_at=stored(expires_at),
    )


STATES = {
    "NOTPAY": "订单未支付",
    "SUCCESS": "支付成功",
    "REFUND": "转入退款",
    "CLOSED": "已关闭",
    "USERPAYING": "用户支付中，需要输入密码",
    "PAYERROR": "支付失败，请重新下单支付",
    "REVOKED": "已撤销",
}


def _place(platform: WechatPay, call: Call, asked: OrderRequest, *, trade_type: str, openid: str) -> Trade:
    check_merchant(platform, asked)
    expires_at = _checked(asked, call.now)
    lapse(platform, call.now)
    fingerprint = canonical(call.body, trade_type=trade_type)
    with platform.store.transaction():
        known = find(platform, asked.out_trade_no)
        if known is not None:
            return _placed_again(platform, known, fingerprint, call.now)
        insert(
            platform,
            call,
            asked,
            trade_type=trade_type,
            openid=openid,
            notify_url=asked.notify_url,
            fingerprint=fingerprint,
            state="NOTPAY",
            expires_at=expires_at,
        )
        return _offer(platform, asked.out_trade_no, trade_type, call.now)


def _placed_again(platform: WechatPay, known: Trade, fingerprint: str, now: datetime) -> Trade:
    """The same number again: the same order if nothing differs, a refusal otherwise."""
    if known.trade_type == BY_CODE:
        raise out_trade_no_used()
    if known.state == "CLOSED":
        raise order_closed()
    if known.state != "NOTPAY":
        raise order_paid()
    if known.asked != fingerprint:
        raise out_trade_no_used()
    if loaded(known.prepay_at) + PREPAY_LIFE > now:
        return known
    return _offer(platform, known.out_trade_no, known.trade_type, now)


def _offer(platform: WechatPay, out_trade_no: str, trade_type: str, now: datetime) -> Trade:
    """Hand out what the payer's phone will open: good for two hours."""
    stamp = now.astimezone(LOCAL).strftime("%d%H%M%S")
    prepay_id = f"wx{stamp}{secrets.token_hex(13)}"
    code_url = f"weixin://wxpay/bizpayurl?pr={secrets.token_urlsafe(6)}zz"
    platform.store.run(
        """update trade set prepay_id = :prepay_id, code_url = :code_url, prepay_at = :now
           where out_trade_no = :no""",
        prepay_id=prepay_id if trade_type == "JSAPI" else None,
        code_url=code_url if trade_type == "NATIVE" else None,
        now=stored(now),
        no=out_trade_no,
    )
    trade = find(platform, out_trade_no)
    assert trade is not None
    return trade


def _checked(asked: OrderRequest, now: datetime) -> datetime:
    """Refuse what the platform refuses; say when the order will lapse."""
    check_notify_url(asked.notify_url)
    if asked.time_expire is None:
        return now + LAPSES_AFTER
    try:
        expires_at = datetime.fromisoformat(asked.time_expire)
    except ValueError as error:
        raise param_error("/time_expire", "须为RFC3339格式", value=asked.time_expire) from error
    if expires_at.tzinfo is None:
        raise param_error("/time_expire", "须带时区", value=asked.time_expire)
    if expires_at <= now:
        raise param_error("/time_expire", "须晚于当前时间", value=asked.time_expire)
    return min(expires_at, now + LAPSES_AFTER)

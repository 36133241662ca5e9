"""Orders: placed by the merchant, asked about, closed, and lapsing by themselves."""

import secrets
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from app.kernel.clock import LOCAL
from simulators.notices import is_deliverable
from simulators.store import loaded, stored
from simulators.wechat_pay.calls import Call, Reply, canonical, parse
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

Openid = Annotated[str, Meta(pattern=r"^o[0-9A-Za-z_\-]{27}\Z")]
OutTradeNo = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_\-|*]{6,32}\Z")]


class Amount(msgspec.Struct, frozen=True):
    total: Annotated[int, Meta(ge=1, le=10**10)]
    currency: Annotated[str, Meta(pattern=r"^CNY\Z")] = "CNY"


class WhoPays(msgspec.Struct, frozen=True):
    openid: Openid


class OrderRequest(msgspec.Struct, frozen=True):
    """What every kind of order has; optional fields the book has no use for pass unread."""

    appid: Annotated[str, Meta(min_length=1, max_length=32)]
    mchid: Annotated[str, Meta(min_length=1, max_length=32)]
    description: Annotated[str, Meta(min_length=1, max_length=127)]
    out_trade_no: OutTradeNo
    notify_url: Annotated[str, Meta(min_length=1, max_length=255)]
    amount: Amount
    time_expire: Annotated[str, Meta(max_length=64)] | None = None
    attach: Annotated[str, Meta(max_length=128)] | None = None


class JsapiRequest(OrderRequest, frozen=True, kw_only=True):
    payer: WhoPays


class CloseRequest(msgspec.Struct, frozen=True):
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
    _same_merchant(platform, call.query.get("mchid", ""))
    lapse(platform, call.now)
    trade = find(platform, call.path["out_trade_no"])
    if trade is None:
        raise order_not_exist()
    return Reply(200, described(platform, trade))


def query_by_transaction(platform: WechatPay, call: Call) -> Reply:
    _same_merchant(platform, call.query.get("mchid", ""))
    row = platform.store.row("select * from trade where transaction_id = :id", id=call.path["transaction_id"])
    if row is None:
        raise order_not_exist()
    return Reply(200, described(platform, Trade(**dict(row))))


def close(platform: WechatPay, call: Call) -> Reply:
    """Closing again is fine; closing what is paid is not."""
    _same_merchant(platform, parse(call.body, CloseRequest).mchid)
    trade = find(platform, call.path["out_trade_no"])
    if trade is None:
        raise order_not_exist()
    if trade.state in ("SUCCESS", "REFUND"):
        raise order_paid()
    platform.store.run(
        "update trade set state = 'CLOSED' where out_trade_no = :no and state = 'NOTPAY'",
        no=trade.out_trade_no,
    )
    return Reply(204)


def find(platform: WechatPay, out_trade_no: str) -> Trade | None:
    row = platform.store.row("select * from trade where out_trade_no = :no", no=out_trade_no)
    return Trade(**dict(row)) if row is not None else None


def lapse(platform: WechatPay, now: datetime) -> int:
    """Close what was not paid in time; say how many."""
    return platform.store.run(
        "update trade set state = 'CLOSED' where state = 'NOTPAY' and expires_at <= :now",
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


STATES = {"NOTPAY": "订单未支付", "SUCCESS": "支付成功", "REFUND": "转入退款", "CLOSED": "已关闭"}


def _place(platform: WechatPay, call: Call, asked: OrderRequest, *, trade_type: str, openid: str) -> Trade:
    expires_at = _checked(platform, asked, call.now)
    lapse(platform, call.now)
    fingerprint = canonical(call.body, trade_type=trade_type)
    with platform.store.transaction():
        known = find(platform, asked.out_trade_no)
        if known is not None:
            return _placed_again(platform, known, fingerprint, call.now)
        platform.store.run(
            """insert into trade (out_trade_no, trade_type, openid, description, attach, notify_url,
                   amount_fen, asked, signer, state, created_at, expires_at, prepay_at)
               values (:no, :trade_type, :openid, :description, :attach, :notify_url,
                   :fen, :asked, :signer, 'NOTPAY', :now, :expires_at, :now)""",
            no=asked.out_trade_no,
            trade_type=trade_type,
            openid=openid,
            description=asked.description,
            attach=asked.attach,
            notify_url=asked.notify_url,
            fen=asked.amount.total,
            asked=fingerprint,
            signer=call.signer,
            now=stored(call.now),
            expires_at=stored(expires_at),
        )
        return _offer(platform, asked.out_trade_no, trade_type, call.now)


def _placed_again(platform: WechatPay, known: Trade, fingerprint: str, now: datetime) -> Trade:
    """The same number again: the same order if nothing differs, a refusal otherwise."""
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


def _checked(platform: WechatPay, asked: OrderRequest, now: datetime) -> datetime:
    """Refuse what the platform refuses; say when the order will lapse."""
    _same_merchant(platform, asked.mchid)
    if asked.appid != platform.identity.appid:
        raise Refusal(400, "APPID_MCHID_NOT_MATCH", "商户号mchid与appid不匹配，请检查绑定关系")
    if not is_deliverable(asked.notify_url):
        raise param_error("/notify_url", "须为不带参数的公网https地址", value=asked.notify_url)
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


def _same_merchant(platform: WechatPay, mchid: str) -> None:
    if mchid != platform.identity.mchid:
        raise sign_error("Http头Authorization中的mchid与请求中的mchid不匹配，请检查", field="mchid")

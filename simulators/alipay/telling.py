"""Notifications of Alipay: signed forms, told until the merchant answers `success`."""

import secrets
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlencode

import msgspec

from app.kernel.clock import LOCAL
from simulators import keys
from simulators.alipay.platform import Alipay
from simulators.alipay.trades import Trade, paid_amounts, payer_fields
from simulators.alipay.wording import sign_content
from simulators.faults import NOTICE_SKEW, Fault
from simulators.notices import Courier, Envelope, Manners, Notice
from simulators.wording import local, yuan

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
RETRY_AFTER = (
    *(4 * MINUTE, 10 * MINUTE, 10 * MINUTE),
    *(1 * HOUR, 2 * HOUR, 6 * HOUR, 15 * HOUR),
)
# Face-to-face codes are told about money only; a mini-program also hears that a trade is closed.
TOLD = {
    "JSAPI": ("TRADE_SUCCESS", "TRADE_CLOSED", "TRADE_FINISHED"),
    "QR": ("TRADE_SUCCESS",),
    "CODE": ("TRADE_SUCCESS",),
}


class Refunded(msgspec.Struct, frozen=True):
    """What a notification adds when money went back."""

    out_request_no: str
    total_fen: int  # everything refunded of this trade so far
    at: datetime


def hire_courier(platform: Alipay) -> Courier:
    """The courier that delivers this platform's notifications."""
    manners = Manners(
        compose=partial(compose, platform),
        accepts=lambda status, reply: status == 200 and reply == b"success",
        retry_after=RETRY_AFTER,
    )
    return Courier(platform.store, platform.now, platform.faults, manners)


def tell(platform: Alipay, trade: Trade, now: datetime, refunded: Refunded | None = None) -> None:
    """Store the notification of a trade's present state, if its merchant hears of such states."""
    if not trade.notify_url or trade.state not in TOLD[trade.product]:
        return
    day = now.astimezone(LOCAL).strftime("%Y%m%d")
    platform.courier.post(
        notice_id=f"{day}01222{secrets.token_hex(10)}",
        kind=trade.state,
        reference=trade.out_trade_no,
        url=trade.notify_url,
        signer="RSA2",
        content=msgspec.json.encode(_fields(platform, trade, refunded)),
        at=now,
    )


def compose(platform: Alipay, notice: Notice, fault: Fault | None, now: datetime) -> Envelope:
    """The signed form of one delivery, spoilt the way the fault says."""
    name = fault.name if fault is not None else ""
    fields = msgspec.json.decode(notice.content, type=dict[str, str])
    sent = now + NOTICE_SKEW.get(name, timedelta(0))
    fields |= {
        "notify_id": notice.id,
        "notify_type": "trade_status_sync",
        "notify_time": local(sent),
        "charset": "utf-8",
        "version": "1.0",
        "sign_type": "RSA2",
    }
    key = keys.stranger() if name in ("forge", "unknown_key") else platform.key
    signed = sign_content(fields, without=("sign", "sign_type"))
    fields["sign"] = keys.sign(key, signed.encode())
    if name == "tamper":
        fields["total_amount"] = "0.01" if fields["total_amount"] != "0.01" else "0.02"
    body = urlencode(fields).encode()
    return Envelope(body, {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"})


def _fields(platform: Alipay, trade: Trade, refunded: Refunded | None) -> dict[str, str]:
    fields = {
        "app_id": platform.identity.appid,
        "seller_id": platform.identity.pid,
        "out_trade_no": trade.out_trade_no,
        "trade_no": trade.trade_no,
        "trade_status": trade.state,
        "subject": trade.subject,
        "total_amount": yuan(trade.amount_fen),
        "gmt_create": local(trade.created_at),
        **payer_fields(platform, trade, "buyer_id"),
    }
    if trade.passback_params is not None:
        fields["passback_params"] = trade.passback_params
    if trade.paid_at is not None:
        paid = yuan(trade.amount_fen)
        bill = [{"amount": paid, "fundChannel": "ALIPAYACCOUNT"}]
        fields |= {
            "gmt_payment": local(trade.paid_at),
            **paid_amounts(trade.amount_fen),
            "fund_bill_list": msgspec.json.encode(bill).decode(),
        }
    if trade.closed_at is not None:
        fields["gmt_close"] = local(trade.closed_at)
    if refunded is not None:
        fields |= {
            "out_biz_no": refunded.out_request_no,
            "refund_fee": yuan(refunded.total_fen),
            "gmt_refund": local(refunded.at) + ".000",
        }
    return fields

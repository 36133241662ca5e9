"""Trades: created for a mini-program, offered as a QR code, asked about, closed, cancelled."""

import secrets
from datetime import datetime, timedelta
from typing import Any

import msgspec

from app.kernel.clock import LOCAL
from simulators.alipay.calls import Call, canonical, needed, text_of
from simulators.alipay.platform import Alipay
from simulators.alipay.refusals import bad_parameter, business, trade_not_exist
from simulators.alipay.wording import fen, from_local, span
from simulators.notices import is_deliverable
from simulators.people import find_payer
from simulators.store import loaded, stored
from simulators.wording import local, yuan

LAPSES_AFTER = timedelta(days=15)
QR_LIFE = timedelta(hours=2)


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    out_trade_no: str
    trade_no: str
    product: str
    buyer: str
    subject: str
    passback_params: str | None
    notify_url: str
    amount_fen: int
    asked: str
    state: str
    created_at: str
    expires_at: str
    payer: str | None
    paid_at: str | None
    closed_at: str | None


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A QR code: no trade until somebody scans it."""

    qr_code: str
    out_trade_no: str
    subject: str
    passback_params: str | None
    notify_url: str
    amount_fen: int
    asked: str
    pay_by: str | None
    pay_within_s: int | None
    expires_at: str


def create(platform: Alipay, call: Call) -> dict[str, Any]:
    out_trade_no, amount_fen = needed(call, "out_trade_no"), amount_of(call)
    if call.content.get("product_code", "JSAPI_PAY") != "JSAPI_PAY":
        raise bad_parameter("product_code")
    buyer = text_of(call, "buyer_id") or text_of(call, "buyer_open_id")
    if not buyer:
        raise bad_parameter("buyer_id 与 buyer_open_id 须有其一")
    payer = find_payer(platform.store, buyer)
    known = find(platform, out_trade_no)
    if known is not None:
        same(known, canonical(call))
    else:
        known = insert(
            platform,
            call.now,
            out_trade_no=out_trade_no,
            product="JSAPI",
            buyer=payer.id if payer is not None else buyer,
            subject=needed(call, "subject"),
            passback_params=text_of(call, "passback_params") or None,
            notify_url=notify_url_of(call),
            fen=amount_fen,
            asked=canonical(call),
            expires_at=expires_at_of(call),
        )
    return {"out_trade_no": out_trade_no, "trade_no": known.trade_no}


def precreate(platform: Alipay, call: Call) -> dict[str, Any]:
    """Offer a QR code; asking again for the same order gives the same code while it is good."""
    out_trade_no, amount_fen = needed(call, "out_trade_no"), amount_of(call)
    asked = canonical(call)
    known = find(platform, out_trade_no)
    if known is not None:
        same(known, asked)
    offered = platform.store.value(
        "select qr_code from qr where out_trade_no = :no and asked = :asked and expires_at > :now",
        no=out_trade_no,
        asked=asked,
        now=stored(call.now),
    )
    if offered is None:
        offered = f"https://qr.alipay.com/bax{secrets.token_hex(14)}"
        pay_within = text_of(call, "timeout_express")
        life = text_of(call, "qr_code_timeout_express")
        platform.store.run(
            """insert into qr values (:qr, :no, :subject, :passback, :notify_url, :fen,
                   :asked, :pay_by, :pay_within_s, :expires_at)""",
            qr=offered,
            no=out_trade_no,
            subject=needed(call, "subject"),
            passback=text_of(call, "passback_params") or None,
            notify_url=notify_url_of(call),
            fen=amount_fen,
            asked=asked,
            pay_by=stored(expires_at_of(call)) if "time_expire" in call.content else None,
            pay_within_s=_seconds(pay_within) if pay_within else None,
            expires_at=stored(call.now + (span(life, "qr_code_timeout_express") if life else QR_LIFE)),
        )
    return {"out_trade_no": out_trade_no, "qr_code": offered}


def query(platform: Alipay, call: Call) -> dict[str, Any]:
    trade = named(platform, call)
    told = {"trade_status": trade.state, **described(platform, trade)}
    if trade.paid_at is not None:
        told["send_pay_date"] = local(trade.paid_at)
    if trade.passback_params is not None:
        told["passback_params"] = trade.passback_params
    return told


def described(platform: Alipay, trade: Trade) -> dict[str, Any]:
    """Whose trade it is and what of it is paid, as every reply about one trade says."""
    told: dict[str, Any] = {
        "out_trade_no": trade.out_trade_no,
        "trade_no": trade.trade_no,
        "total_amount": yuan(trade.amount_fen),
        **paid_amounts(trade.amount_fen if trade.paid_at is not None else 0),
        **payer_fields(platform, trade, "buyer_user_id"),
    }
    if trade.paid_at is not None:
        told["fund_bill_list"] = [{"amount": yuan(trade.amount_fen), "fund_channel": "ALIPAYACCOUNT"}]
    return told


def paid_amounts(paid_fen: int) -> dict[str, str]:
    paid = yuan(paid_fen)
    return {
        "receipt_amount": paid,
        "buyer_pay_amount": paid,
        "invoice_amount": paid,
        "point_amount": "0.00",
    }


def find(platform: Alipay, out_trade_no: str) -> Trade | None:
    row = platform.store.row("select * from trade where out_trade_no = :no", no=out_trade_no)
    return Trade(**dict(row)) if row is not None else None


def named(platform: Alipay, call: Call) -> Trade:
    """The trade this call is about; trade_no goes before out_trade_no."""
    trade_no, out_trade_no = text_of(call, "trade_no"), text_of(call, "out_trade_no")
    if not trade_no and not out_trade_no:
        raise bad_parameter("trade_no 与 out_trade_no 须有其一")
    column = "trade_no" if trade_no else "out_trade_no"
    row = platform.store.row(
        f"select * from trade where {column} = :key",  # noqa: S608  # one of two constants
        key=trade_no or out_trade_no,
    )
    if row is None:
        raise trade_not_exist()
    return Trade(**dict(row))


def open_scanned(platform: Alipay, offer: Offer, payer_id: str, now: datetime) -> Trade | None:
    """The trade that a scan creates; None when the number already belongs to another order."""
    known = find(platform, offer.out_trade_no)
    if known is not None:
        return known if known.asked == offer.asked else None
    within = timedelta(seconds=offer.pay_within_s) if offer.pay_within_s else LAPSES_AFTER
    return insert(
        platform,
        now,
        out_trade_no=offer.out_trade_no,
        product="QR",
        buyer=payer_id,
        subject=offer.subject,
        passback_params=offer.passback_params,
        notify_url=offer.notify_url,
        fen=offer.amount_fen,
        asked=offer.asked,
        expires_at=loaded(offer.pay_by) if offer.pay_by else now + within,
    )


def lapsed(platform: Alipay, now: datetime) -> list[Trade]:
    """Close what was not paid in time; the trades that were closed just now."""
    rows = platform.store.rows(
        """update trade set state = 'TRADE_CLOSED', closed_at = :now
           where state = 'WAIT_BUYER_PAY' and expires_at <= :now returning *""",
        now=stored(now),
    )
    return [Trade(**dict(row)) for row in rows]


def payer_fields(platform: Alipay, trade: Trade, user_id_name: str) -> dict[str, str]:
    payer = find_payer(platform.store, trade.payer or trade.buyer)
    if payer is None:
        return {}
    masked = f"{payer.id[-11:-8]}****{payer.id[-4:]}"
    return {
        user_id_name: payer.id,
        "buyer_open_id": payer.second_id,
        "buyer_logon_id": masked,
    }


def insert(platform: Alipay, now: datetime, *, expires_at: datetime, **values: Any) -> Trade:
    trade_no = f"{now.astimezone(LOCAL):%Y%m%d}2200{secrets.randbelow(10**16):016d}"
    platform.store.run(
        """insert into trade (out_trade_no, trade_no, product, buyer, subject, passback_params,
               notify_url, amount_fen, asked, state, created_at, expires_at)
           values (:out_trade_no, :trade_no, :product, :buyer, :subject, :passback_params,
               :notify_url, :fen, :asked, 'WAIT_BUYER_PAY', :now, :expires_at)""",
        trade_no=trade_no,
        now=stored(now),
        expires_at=stored(expires_at),
        **values,
    )
    trade = find(platform, values["out_trade_no"])
    assert trade is not None
    return trade


def same(known: Trade, asked: str) -> None:
    """Refuse a number that is used up, or used for something else."""
    if known.state == "TRADE_CLOSED":
        raise business("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")
    if known.state != "WAIT_BUYER_PAY":
        raise business("ACQ.TRADE_HAS_SUCCESS", "交易已被支付")
    if known.asked != asked:
        raise business("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改，与已有交易不一致")


def close_unpaid(platform: Alipay, trade: Trade, now: datetime) -> None:
    platform.store.run(
        """update trade set state = 'TRADE_CLOSED', closed_at = :now
           where out_trade_no = :no and state = 'WAIT_BUYER_PAY'""",
        no=trade.out_trade_no,
        now=stored(now),
    )


def amount_of(call: Call) -> int:
    return fen(call.content.get("total_amount", ""), "total_amount")


def _seconds(text: str) -> int:
    return int(span(text, "timeout_express").total_seconds())


def expires_at_of(call: Call) -> datetime:
    by, within = text_of(call, "time_expire"), text_of(call, "timeout_express")
    if by:
        try:
            expires_at = from_local(by)
        except ValueError as error:
            raise bad_parameter("time_expire 须形如 2026-01-31 10:05:00") from error
        if expires_at <= call.now:
            raise bad_parameter("time_expire 须晚于当前时间")
        return expires_at
    return call.now + (span(within, "timeout_express") if within else LAPSES_AFTER)


def notify_url_of(call: Call) -> str:
    url = call.params.get("notify_url", "")
    if url and not is_deliverable(url.partition("?")[0]):
        raise bad_parameter("notify_url")
    return url

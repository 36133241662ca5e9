"""Notifications of WeChat Pay: how they are sealed and signed, and when they are tried again."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from app.kernel.clock import wall
from simulators import keys
from simulators.faults import NOTICE_SKEW, Fault
from simulators.notices import Courier, Envelope, Manners, Notice
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.signing import encrypt, signature_headers
from simulators.wechat_pay.trades import local

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
RETRY_AFTER = (
    *(15 * SECOND, 15 * SECOND, 30 * SECOND, 3 * MINUTE, 10 * MINUTE, 20 * MINUTE),
    *(30 * MINUTE, 30 * MINUTE, 30 * MINUTE, 1 * HOUR),
    *(3 * HOUR, 3 * HOUR, 3 * HOUR, 6 * HOUR, 6 * HOUR),
)
# The page on mixed payments: exponential, and nothing more after thirty seconds.
MEDICAL_RETRY_AFTER = (2 * SECOND, 4 * SECOND, 8 * SECOND, 16 * SECOND)
SUMMARIES = {
    "TRANSACTION.SUCCESS": "支付成功",
    "REFUND.SUCCESS": "退款成功",
    "REFUND.CLOSED": "退款关闭",
    "REFUND.ABNORMAL": "退款异常",
    "SECURITY_ECHO.SUCCESS": "回调通知成功",
    "MEDICAL_INSURANCE.SUCCESS": "医保混合收款成功",
}
# What each family of notifications calls its content, and the data sealed along with it.
ORIGINALS = {
    "TRANSACTION": ("transaction", "transaction"),
    "REFUND": ("refund", "refund"),
    "MEDICAL_INSURANCE": ("transaction", "transaction"),
    "SECURITY_ECHO": ("security", ""),
}
FOREIGN_SECRET = "0" * 32
FOREIGN_SERIALS = {
    "unknown_key": "PUB_KEY_ID_0000000000000000000000000000",
    "unknown_certificate": "7" + "0" * 39,
}


def hire_courier(platform: WechatPay) -> Courier:
    """The courier that delivers this platform's notifications."""
    manners = Manners(
        compose=partial(compose, platform),
        accepts=lambda status, _reply: status in (200, 204),
        retry_after=RETRY_AFTER,
        retry_after_of={"MEDICAL_INSURANCE.SUCCESS": MEDICAL_RETRY_AFTER},
    )
    return Courier(platform.store, platform.now, platform.faults, manners)


def tell(
    platform: WechatPay,
    *,
    kind: str,
    reference: str,
    url: str,
    signer: str,
    content: Mapping[str, Any],
    now: datetime,
) -> str:
    """Store a notification for delivery; returns its id."""
    notice_id = secrets.token_hex(16)
    platform.courier.post(
        notice_id=notice_id,
        kind=kind,
        reference=reference,
        url=url,
        signer=signer,
        content=msgspec.json.encode(content),
        at=now,
    )
    return notice_id


def compose(platform: WechatPay, notice: Notice, fault: Fault | None, now: datetime) -> Envelope:
    """The sealed, signed message of one delivery, spoilt the way the fault says.

    The key is that of the moment: a rotation between two deliveries shows.
    """
    name = fault.name if fault is not None else ""
    secret = FOREIGN_SECRET if name == "wrong_secret" else platform.identity.apiv3_key
    original_type, associated_data = ORIGINALS[notice.kind.partition(".")[0]]
    sealed = encrypt(secret, notice.content.encode(), associated_data)
    message = {
        "id": notice.id,
        "create_time": local(notice.created_at),
        "resource_type": "encrypt-resource",
        "event_type": notice.kind,
        "summary": SUMMARIES[notice.kind],
        "resource": {"original_type": original_type, **sealed},
    }
    body = msgspec.json.encode(message)
    at = wall() + NOTICE_SKEW.get(name, timedelta(0))
    serial = FOREIGN_SERIALS.get(name) or platform.ring.signs_for(notice.signer, now)
    is_forged = name == "forge" or name in FOREIGN_SERIALS
    key = keys.stranger() if is_forged else platform.ring.key(serial)
    headers = signature_headers(serial, key, body, at)
    if name == "signtest":
        headers["Wechatpay-Signature"] = "WECHATPAY/SIGNTEST/" + secrets.token_urlsafe(96)
    if name == "tamper":
        body = body.replace(b'"ciphertext":"', b'"ciphertext":"A', 1)
    return Envelope(body, {"Content-Type": "application/json", **headers})

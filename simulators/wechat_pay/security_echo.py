"""The self-test of a merchant's keys: what it sends comes back, answered, sealed and notified."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from simulators.wechat_pay.calls import Call, Reply, check_notify_url, parse
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.refusals import param_error
from simulators.wechat_pay.sensitive_fields import SEALED_BYTES_MAX, opened, sealed
from simulators.wechat_pay.telling import tell

KIND = "SECURITY_ECHO.SUCCESS"


class EchoRequest(msgspec.Struct, frozen=True):
    echo_message: Annotated[str, Meta(min_length=1)]
    encrypted_echo_message: Annotated[str, Meta(min_length=1)] | None = None
    notify_url: Annotated[str, Meta(min_length=1, max_length=255)] | None = None


def echo(platform: WechatPay, call: Call) -> Reply:
    """The message as it came; the sealed one sealed anew, under the merchant's own certificate.

    The platform's page on testing signatures and encryption demands `Wechatpay-Serial` of every call.
    """
    asked = parse(call.body, EchoRequest)
    if not call.named_key:
        raise param_error("Wechatpay-Serial", "必填", location="header")
    if is_too_long(asked.echo_message):
        raise param_error("/echo_message", f"不能超过{SEALED_BYTES_MAX}字节")
    reply = {"echo_message": asked.echo_message}
    if asked.encrypted_echo_message is not None:
        text = opened(platform, call, "/encrypted_echo_message", asked.encrypted_echo_message)
        reply["encrypted_echo_message"] = sealed(platform, text)
    if asked.notify_url is not None:
        check_notify_url(asked.notify_url)
        notify(platform, asked.notify_url, asked.echo_message, signer=call.signer, now=call.now)
    return Reply(200, reply)


def is_too_long(message: str) -> bool:
    """Its notification carries the message sealed, which has room for so much."""
    return len(message.encode()) > SEALED_BYTES_MAX


def notify(platform: WechatPay, url: str, message: str, *, signer: str, now: datetime) -> str:
    """Post the self-test notification; returns its id. The sealed copy is for the merchant's key alone."""
    return tell(
        platform,
        kind=KIND,
        reference=message,
        url=url,
        signer=signer,
        content={"echo_message": message, "encrypt_echo_message": sealed(platform, message)},
        now=now,
    )

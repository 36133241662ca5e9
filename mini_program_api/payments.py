"""Paying from the phone: an attempt, what the wallet needs, and the truth about it afterwards."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.billing.payments import start_attempt, submit_attempt
from app.billing.queries import AttemptView, attempt_view
from app.billing.resolving import refresh_attempt
from app.billing.rules import phone_method
from app.kernel.actor import Actor
from app.kernel.idempotency import Command, once


class Pay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No amount: what is owed stands in the bill, and a client cannot say it."""

    channel: Literal["wechat_jsapi", "alipay_mini"]


class PaymentReply(msgspec.Struct, frozen=True, kw_only=True):
    """`pay_params` is what wx.requestPayment or my.tradePay is called with; null until the channel answered.

    While `status` is "submitted" or "unknown": show that the result is being confirmed, and ask again.
    """

    attempt_id: UUID
    bill_id: UUID
    status: str
    channel: str
    amount_fen: int
    expires_at: datetime
    pay_params: dict[str, Any] | None


@post("/bills/{bill_id:uuid}/payments", permission="bill.pay", status_code=201)
async def pay_bill(
    bill_id: FromPath[UUID],
    data: JSONBody[Pay],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> PaymentReply:
    method = phone_method(data.channel)
    attempt_id = await once(asked, start_attempt, actor, bill_id=bill_id, method=method)
    await submit_attempt(actor, attempt_id=attempt_id)
    return reply(await attempt_view(actor, attempt_id=attempt_id))


@get("/payments/{attempt_id:uuid}", permission="bill.read")
async def read_payment(attempt_id: FromPath[UUID], actor: NamedDependency[Actor]) -> PaymentReply:
    """The truth: where we are in doubt, the channel is asked first."""
    await attempt_view(actor, attempt_id=attempt_id)  # strangers make us ask nobody
    await refresh_attempt(attempt_id=attempt_id)
    return reply(await attempt_view(actor, attempt_id=attempt_id))


def reply(attempt: AttemptView) -> PaymentReply:
    return PaymentReply(
        attempt_id=attempt.id,
        bill_id=attempt.bill_id,
        status=attempt.status,
        channel=attempt.method,
        amount_fen=attempt.amount_fen,
        expires_at=attempt.expires_at,
        pay_params=attempt.pay_params,
    )


router = Router(path="/api/mini-program/v1", route_handlers=[pay_bill, read_payment])

"""Topping up a stay's deposit by a QR that anybody may pay."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.billing.deposits import open_deposit_top_up
from app.billing.payments import start_attempt
from app.billing.queries import attempt_view
from app.billing.tables import AttemptStatus, PayMethod
from app.kernel.actor import Actor
from app.kernel.database import action, fetch_value, query
from app.kernel.errors import NotFound

QR_METHODS = (PayMethod.WECHAT_NATIVE, PayMethod.ALIPAY_QR)
PAID = (AttemptStatus.SUCCEEDED, AttemptStatus.PART_REFUNDED, AttemptStatus.REFUNDED)


class TopUpNotFound(NotFound):
    code = "top_up_not_found"
    message = "没有找到这笔充值，请返回预交金页面查看。"


class TopUp(msgspec.Struct, frozen=True, kw_only=True):
    attempt_id: UUID
    status: str
    paid: bool
    amount_fen: int
    expires_at: datetime
    code_url: str | None


@action
async def start_top_up(actor: Actor, *, encounter_id: UUID, amount_fen: int, method: str) -> UUID:
    """A bill over the amount and an attempt to pay it. `submit_attempt` then asks the channel, outside."""
    assert method in QR_METHODS
    bill_id = await open_deposit_top_up(actor, encounter_id=encounter_id, amount_fen=amount_fen)
    return await start_attempt(actor, bill_id=bill_id, method=PayMethod(method))


@query
async def top_up(actor: Actor, *, encounter_id: UUID, attempt_id: UUID) -> TopUp:
    """The truth about one top-up of this very stay; another stay's does not exist here."""
    of_stay = await fetch_value(
        "SELECT 1 FROM attempt t JOIN bill b ON b.id = t.bill_id"
        " WHERE t.id = $1 AND b.encounter_id = $2 AND b.kind = 'deposit'",
        attempt_id,
        encounter_id,
    )
    if of_stay is None:
        raise TopUpNotFound(attempt_id=attempt_id)
    attempt = await attempt_view(actor, attempt_id=attempt_id)
    return TopUp(
        attempt_id=attempt.id,
        status=attempt.status,
        paid=attempt.status in PAID,
        amount_fen=attempt.amount_fen,
        expires_at=attempt.expires_at,
        code_url=attempt.code_url,
    )

"""Paying a bill: an attempt with its own number, and what its money does when it comes."""

from uuid import UUID

from app.billing.tables import PayMethod
from app.kernel.actor import Actor
from app.kernel.database import action


@action
async def start_attempt(actor: Actor, *, bill_id: UUID, method: PayMethod) -> UUID:
    """Open an attempt, or find the live one of this method. Then call `submit_attempt`, outside.

    The payer of wechat_jsapi and alipay_mini is the acting account's login on that platform.
    """
    raise NotImplementedError


async def submit_attempt(actor: Actor, *, attempt_id: UUID) -> None:
    """Order at the channel, outside any transaction. Afterwards `attempt_view` has what to show."""
    raise NotImplementedError


@action
async def revive_bill(actor: Actor, *, bill_id: UUID) -> None:
    """Let a bill that was paid late be paid: what it was for could be had again. Call it in the same
    transaction that takes it again."""
    raise NotImplementedError


@action
async def refund_late(actor: Actor, *, bill_id: UUID) -> None:
    """Send the late money of a bill back. Once, however often it is called."""
    raise NotImplementedError

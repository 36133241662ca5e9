"""What money adds to the patient's timeline: that it was paid or came back, and how much."""

from app.billing.events import BillPaid, RefundSucceeded
from app.encounters.timeline import tell
from app.kernel.actor import Actor
from app.kernel.events import Event
from app.kernel.money import yuan


async def tell_paid(actor: Actor, fact: BillPaid, event: Event) -> None:
    if fact.amount_fen == 0:
        return
    await tell(
        actor,
        event,
        person_id=fact.person_id,
        title=f"已缴费 ¥{yuan(fact.amount_fen)}",
        ref_id=fact.bill_id,
        once=event.id,
    )


async def tell_refunded(actor: Actor, fact: RefundSucceeded, event: Event) -> None:
    await tell(
        actor,
        event,
        person_id=fact.person_id,
        title=f"已退款 ¥{yuan(fact.amount_fen)}，按原支付方式退回",
        ref_id=fact.bill_id,
        once=fact.refund_id,
    )

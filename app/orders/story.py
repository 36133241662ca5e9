"""What orders add to the patient's timeline."""

from app.encounters.timeline import tell
from app.kernel.actor import Actor
from app.kernel.events import Event
from app.orders.events import OrdersSubmitted, OrderStopped, ReportRead


async def tell_submitted(actor: Actor, fact: OrdersSubmitted, event: Event) -> None:
    await tell(
        actor,
        event,
        person_id=fact.person_id,
        title="医生已开具检验或处方，请缴费",
        ref_id=fact.bill_id,
        once=fact.submission_id,
    )


async def tell_stopped(actor: Actor, fact: OrderStopped, event: Event) -> None:
    await tell(
        actor, event, person_id=fact.person_id, title="一项医嘱已停止，费用将原路退回", ref_id=fact.order_id
    )


async def tell_read(actor: Actor, fact: ReportRead, event: Event) -> None:
    await tell(actor, event, person_id=fact.person_id, title="已查看检验报告", ref_id=fact.report_id)

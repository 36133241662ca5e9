"""What orders add to the patient's timeline."""

from app.encounters.timeline import add_to_timeline
from app.kernel.actor import Actor
from app.kernel.events import Event
from app.orders.events import OrdersSubmitted, OrderStopped, ReportRead


async def tell_submitted(actor: Actor, fact: OrdersSubmitted, event: Event) -> None:
    await add_to_timeline(
        actor,
        person_id=fact.person_id,
        at=event.business_at,
        kind=event.kind,
        title="医生已开具检验或处方，请缴费",
        ref_id=fact.bill_id,
        once_key=f"{event.kind}:{fact.submission_id}",
    )


async def tell_stopped(actor: Actor, fact: OrderStopped, event: Event) -> None:
    await add_to_timeline(
        actor,
        person_id=fact.person_id,
        at=event.business_at,
        kind=event.kind,
        title="一项医嘱已停止，费用将原路退回",
        ref_id=fact.order_id,
        once_key=f"{event.kind}:{fact.order_id}",
    )


async def tell_read(actor: Actor, fact: ReportRead, event: Event) -> None:
    await add_to_timeline(
        actor,
        person_id=fact.person_id,
        at=event.business_at,
        kind=event.kind,
        title="已查看检验报告",
        ref_id=fact.report_id,
        once_key=f"{event.kind}:{fact.report_id}",
    )

"""What booking and the clinic add to the patient's timeline."""

from uuid import UUID

from app.encounters.timeline import add_to_timeline
from app.kernel.actor import Actor
from app.kernel.events import Event
from app.outpatient.events import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentClosedLatePay,
    AppointmentMissed,
    ConsultationStarted,
    PatientArrived,
)


async def tell_booked(actor: Actor, fact: AppointmentBooked, event: Event) -> None:
    await _tell(actor, fact.person_id, fact.appointment_id, event, "预约成功")


async def tell_cancelled(actor: Actor, fact: AppointmentCancelled, event: Event) -> None:
    title = "预约已取消，费用将原路退回" if fact.was_paid else "预约已取消"
    await _tell(actor, fact.person_id, fact.appointment_id, event, title)


async def tell_closed_late_pay(actor: Actor, fact: AppointmentClosedLatePay, event: Event) -> None:
    title = "支付时号源已释放，费用将原路退回，请重新预约"
    await _tell(actor, fact.person_id, fact.appointment_id, event, title)


async def tell_missed(actor: Actor, fact: AppointmentMissed, event: Event) -> None:
    await _tell(actor, fact.person_id, fact.appointment_id, event, "未按时签到，本次预约已失效")


async def tell_arrived(actor: Actor, fact: PatientArrived, event: Event) -> None:
    await _tell(actor, fact.person_id, fact.appointment_id, event, "已签到，正在候诊")


async def tell_started(actor: Actor, fact: ConsultationStarted, event: Event) -> None:
    await _tell(actor, fact.person_id, fact.appointment_id, event, "医生开始接诊")


async def _tell(actor: Actor, person_id: UUID, appointment_id: UUID, event: Event, title: str) -> None:
    await add_to_timeline(
        actor,
        person_id=person_id,
        at=event.business_at,
        kind=event.kind,
        title=title,
        ref_id=appointment_id,
        once_key=f"{event.kind}:{appointment_id}",
    )

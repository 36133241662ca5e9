"""What an outpatient visit adds to the patient's timeline."""

from uuid import UUID

from app.encounters.timeline import tell
from app.kernel.actor import Actor
from app.kernel.events import Event
from app.outpatient.events import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentClosedLatePay,
    AppointmentExpired,
    AppointmentMissed,
    ConsultationFinished,
    ConsultationStarted,
    PatientArrived,
)
from app.outpatient.paying import SUBJECT
from app.queueing.events import TicketCalled


async def tell_booked(actor: Actor, fact: AppointmentBooked, event: Event) -> None:
    await _tell(actor, fact.person_id, event, "预约成功", fact.appointment_id)


async def tell_expired(actor: Actor, fact: AppointmentExpired, event: Event) -> None:
    await _tell(actor, fact.person_id, event, "未在规定时间内支付，号源已释放", fact.appointment_id)


async def tell_cancelled(actor: Actor, fact: AppointmentCancelled, event: Event) -> None:
    title = "预约已取消，费用将原路退回" if fact.was_paid else "预约已取消"
    await _tell(actor, fact.person_id, event, title, fact.appointment_id)


async def tell_closed(actor: Actor, fact: AppointmentClosedLatePay, event: Event) -> None:
    await _tell(actor, fact.person_id, event, "支付超时，号源已释放，费用将原路退回", fact.appointment_id)


async def tell_missed(actor: Actor, fact: AppointmentMissed, event: Event) -> None:
    await _tell(actor, fact.person_id, event, "未按时就诊，预约已失效", fact.appointment_id)


async def tell_arrived(actor: Actor, fact: PatientArrived, event: Event) -> None:
    await _tell(actor, fact.person_id, event, "已报到，等候叫号", fact.ticket_id)


async def tell_called(actor: Actor, fact: TicketCalled, event: Event) -> None:
    """Once per call: a repeated call is for the ears, not for the story."""
    if fact.subject_kind == SUBJECT and fact.repeat_no == 1:
        await _tell(actor, fact.person_id, event, "请到诊室就诊", fact.ticket_id)


async def tell_started(actor: Actor, fact: ConsultationStarted, event: Event) -> None:
    await _tell(actor, fact.person_id, event, "医生已开始接诊", fact.encounter_id)


async def tell_finished(actor: Actor, fact: ConsultationFinished, event: Event) -> None:
    await _tell(actor, fact.person_id, event, "本次就诊已结束", fact.encounter_id)


async def _tell(actor: Actor, person_id: UUID, event: Event, title: str, ref_id: UUID) -> None:
    await tell(actor, event, person_id=person_id, title=title, ref_id=ref_id, once=event.id)

<<<<<<< HEAD
"""What an outpatient visit adds to the patient's timeline."""
=======
"""What booking and the clinic add to the patient's timeline."""
>>>>>>> main

from uuid import UUID

from app.encounters.timeline import add_to_timeline
from app.kernel.actor import Actor
from app.kernel.events import Event
from app.outpatient.events import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentClosedLatePay,
<<<<<<< HEAD
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
=======
    AppointmentMissed,
    ConsultationStarted,
    PatientArrived,
)


async def tell_booked(actor: Actor, fact: AppointmentBooked, event: Event) -> None:
    await _tell(actor, fact.person_id, fact.appointment_id, event, "预约成功")
>>>>>>> main


async def tell_cancelled(actor: Actor, fact: AppointmentCancelled, event: Event) -> None:
    title = "预约已取消，费用将原路退回" if fact.was_paid else "预约已取消"
<<<<<<< HEAD
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
=======
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
>>>>>>> main
    await add_to_timeline(
        actor,
        person_id=person_id,
        at=event.business_at,
        kind=event.kind,
        title=title,
<<<<<<< HEAD
        ref_id=ref_id,
        once_key=f"{event.kind}:{event.id}",
=======
        ref_id=appointment_id,
        once_key=f"{event.kind}:{appointment_id}",
>>>>>>> main
    )

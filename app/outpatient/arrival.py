"""Checking in, taking a check-in back, and who never came."""

from datetime import time, timedelta
from uuid import UUID

import asyncpg

from app.encounters.tables import EncounterKind
from app.encounters.visiting import open_encounter
from app.identity.roles import StaffRole
from app.kernel import clock
from app.kernel.actor import Actor, ActorKind, system
from app.kernel.database import action, fetch, fetch_one, fetch_value
from app.kernel.errors import DomainError
from app.kernel.events import emit
from app.organization.queries import staff_member
from app.outpatient.booking import AppointmentNotFound, SessionStopped
from app.outpatient.events import AppointmentMissed, PatientArrived
from app.outpatient.identifying import Shown, shown_by
from app.outpatient.paying import SUBJECT
from app.outpatient.rules import POLICY, Arrival, arrival, at
from app.outpatient.tables import APPOINTMENT_FLOW, AppointmentStatus, SessionStatus, VisitType
from app.patients.access import relate
from app.patients.rules import age_on
from app.patients.tables import CareReason
from app.queueing.joining import join_queue, rejoin_queue, undo_check_in
from app.queueing.queues import department_queue
from app.queueing.rules import priority_by_age
from app.queueing.tables import PriorityClass
from app.traces.showing import note_shown

CARE_DAYS = 3  # the visit day and two more: the department may still read what it ordered
REGISTRATION = timedelta(hours=12)  # how long the desk that checked somebody in may still see them
NO_SHOWS_AT_ONCE_MAX = 200
PRIORITY_REASONS = {PriorityClass.ELDER_80: "年满80周岁"}
DESK_ROLES = frozenset({StaffRole.NURSE, StaffRole.REGISTRAR, StaffRole.DOCTOR})


class NotPaid(DomainError):
    code = "not_paid"
    message = "该预约尚未支付，请先在手机上完成支付再报到。"


class NotBooked(DomainError):
    code = "not_booked"
    message = "该预约已取消或已结束，请重新挂号。"


class NotToday(DomainError):
    code = "arrival_not_today"
    message = "还没有到就诊日，请在就诊当天报到。"


class TooLate(DomainError):
    code = "arrival_too_late"
    message = "已超过预约时段30分钟，请到服务台改约或重新挂号。"


REFUSAL_OF_ARRIVAL = {Arrival.NOT_TODAY: NotToday, Arrival.TOO_LATE: TooLate}


def refusal(status: AppointmentStatus, session: SessionStatus, came: Arrival) -> type[DomainError] | None:
    """Why this appointment cannot be checked in now, if so. A visit that has arrived may come back."""
    if status is AppointmentStatus.HELD:
        return NotPaid
    if status not in (AppointmentStatus.BOOKED, AppointmentStatus.ARRIVED):
        return NotBooked
    if status is AppointmentStatus.ARRIVED:
        return None
    if session is SessionStatus.STOPPED:
        return SessionStopped
    return REFUSAL_OF_ARRIVAL.get(came)


@action
async def check_in(actor: Actor, *, appointment_id: UUID, visitor_token: str | None = None) -> UUID:
    """BOOKED becomes ARRIVED: the visit opens, the department may see the patient, the ticket is given.

    Again: the same ticket, back in the line if it was missed or taken back. Returns the ticket's id.
    """
    shown = (
        await shown_by(actor, visitor_token=visitor_token or "") if actor.kind is ActorKind.DEVICE else None
    )
    row = await fetch_one(
        "SELECT a.*, s.status AS session_status FROM appointment a"
        " JOIN clinic_session s ON s.id = a.session_id WHERE a.id = $1 FOR UPDATE OF a",
        appointment_id,
    )
    if row is None:
        raise AppointmentNotFound(appointment_id=appointment_id)
    await _require_presence(actor, row, shown)
    came = arrival(POLICY, held_on=row["held_on"], window_ends=row["ends_at"], now=await clock.now())
    wrong = refusal(AppointmentStatus(row["status"]), SessionStatus(row["session_status"]), came)
    if wrong is not None:
        raise wrong(appointment_id=appointment_id)
    if row["status"] == AppointmentStatus.ARRIVED:
        return await rejoin_queue(actor, ticket_id=row["ticket_id"])
    return await _arrive(actor, row, late=came is Arrival.LATE)


async def _require_presence(actor: Actor, row: asyncpg.Record, shown: Shown | None) -> None:
    """Only who stands there arrives: identified at this kiosk, or seen by the department's desk."""
    if shown is not None:
        here = shown.person_id == row["person_id"] and shown.appointment_id in (None, row["id"])
    elif actor.kind is ActorKind.STAFF:
        assert actor.id is not None
        staff = await staff_member(actor, staff_id=actor.id)
        at_desk = staff.role is StaffRole.REGISTRAR or staff.department_id == row["department_id"]
        here = at_desk and staff.role in DESK_ROLES
    else:
        here = actor.kind is ActorKind.SYSTEM
    if not here:
        raise AppointmentNotFound(appointment_id=row["id"])
    note_shown(row["person_id"])


async def _arrive(actor: Actor, row: asyncpg.Record, *, late: bool) -> UUID:
    await relate(
        actor,
        person_id=row["person_id"],
        department_id=row["department_id"],
        reason=CareReason.CHECK_IN,
        until=at(row["held_on"] + timedelta(days=CARE_DAYS), time.min),
    )
    if actor.kind is ActorKind.STAFF:
        # A registrar belongs to no department and finishes what he began.
        until = await clock.now() + REGISTRATION
        await relate(
            actor, person_id=row["person_id"], staff_id=actor.id, reason=CareReason.CHECK_IN, until=until
        )
    encounter_id = row["encounter_id"] or await open_encounter(
        actor,
        person_id=row["person_id"],
        kind=EncounterKind.OUTPATIENT,
        department_id=row["department_id"],
        staff_id=row["staff_id"],
        appointment_id=row["id"],
    )
    if row["ticket_id"] is not None:
        ticket_id = await rejoin_queue(actor, ticket_id=row["ticket_id"])
    else:
        ticket_id = await _join(actor, row, encounter_id, late=late)
    await APPOINTMENT_FLOW.move(
        row["id"],
        AppointmentStatus.ARRIVED,
        encounter_id=encounter_id,
        ticket_id=ticket_id,
        arrived_at=await clock.now(),
    )
    await emit(
        actor,
        PatientArrived(
            appointment_id=row["id"],
            person_id=row["person_id"],
            encounter_id=encounter_id,
            ticket_id=ticket_id,
        ),
    )
    return ticket_id


async def _join(actor: Actor, row: asyncpg.Record, encounter_id: UUID, *, late: bool) -> UUID:
    expert = row["visit_type"] == VisitType.EXPERT
    queue_id = await department_queue(
        actor, department_id=row["department_id"], staff_id=row["staff_id"] if expert else None
    )
    capacity = await fetch_value("SELECT capacity FROM session_window WHERE id = $1", row["window_id"])
    born = await fetch_value("SELECT born_on FROM person WHERE id = $1", row["person_id"])
    priority = priority_by_age(age_on(row["held_on"], born))
    return await join_queue(
        actor,
        queue_id=queue_id,
        person_id=row["person_id"],
        subject_kind=SUBJECT,
        subject_id=row["id"],
        encounter_id=encounter_id,
        room_id=row["room_id"] if expert else None,
        planned_at=row["starts_at"],
        seq_no=row["seq_no"],
        late=late,
        priority=priority,
        priority_reason="" if priority is None else PRIORITY_REASONS[priority],
        prior_s=int((row["ends_at"] - row["starts_at"]).total_seconds() / capacity),
    )


@action
async def undo_arrival(actor: Actor, *, appointment_id: UUID) -> UUID:
    """The desk takes a check-in back while the patient waits; place and number stay his."""
    row = await fetch_one("SELECT * FROM appointment WHERE id = $1 FOR UPDATE", appointment_id)
    if row is None or actor.kind is not ActorKind.STAFF:
        raise AppointmentNotFound(appointment_id=appointment_id)
    await _require_presence(actor, row, None)
    await APPOINTMENT_FLOW.move(
        appointment_id, AppointmentStatus.BOOKED, only_from=AppointmentStatus.ARRIVED, arrived_at=None
    )
    await undo_check_in(actor, ticket_id=row["ticket_id"])
    return appointment_id


async def mark_no_shows() -> int:
    """Booked, and the session is over without a check-in. A stopped session never counts."""
    return await _mark_no_shows(system("sweeper"))


@action
async def _mark_no_shows(actor: Actor) -> int:
    rows = await fetch(
        "SELECT a.id, a.person_id FROM appointment a JOIN clinic_session s ON s.id = a.session_id"
        " WHERE a.status = 'booked' AND a.ends_at <= jiuyi.now() AND s.ends_at <= jiuyi.now()"
        " AND s.status <> 'stopped' ORDER BY a.id LIMIT $1 FOR UPDATE OF a SKIP LOCKED",
        NO_SHOWS_AT_ONCE_MAX,
    )
    for row in rows:
        await APPOINTMENT_FLOW.move(row["id"], AppointmentStatus.NO_SHOW, ended_at=await clock.now())
        await emit(actor, AppointmentMissed(appointment_id=row["id"], person_id=row["person_id"]))
    return len(rows)

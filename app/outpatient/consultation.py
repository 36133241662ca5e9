"""In the room: begin, write down, send for a test, finish."""

from datetime import time, timedelta
from uuid import UUID

import asyncpg
import msgspec

from app.billing.charges import charge_fulfil
from app.encounters.queries import encounter
from app.encounters.visiting import close_encounter, open_row, take_over
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch_one, fetch_value, query
from app.kernel.errors import NotFound
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.outpatient.arrival import CARE_DAYS
from app.outpatient.events import ConsultationFinished, ConsultationStarted
from app.outpatient.rules import at
from app.outpatient.tables import APPOINTMENT_FLOW, NUMBER_FLOW, AppointmentStatus, NumberStatus
from app.patients.access import relate, require_may_see
from app.patients.tables import CareReason
from app.queueing.calling import finish_ticket, start_ticket


class VisitNotFound(NotFound):
    code = "visit_not_found"
    message = "没有找到这次门诊就诊，请刷新候诊列表后重试。"


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """The newest version of what the doctor wrote."""

    id: UUID
    encounter_id: UUID
    version: int
    chief_complaint: str
    history: str
    advice: str


@action
async def start_consultation(actor: Actor, *, ticket_id: UUID) -> UUID:
    """The called patient has come in: the number is used, the fee is earned, this doctor treats him."""
    row = await _visit("ticket_id = $1", ticket_id)
    await start_ticket(actor, ticket_id=ticket_id)
    if await NUMBER_FLOW.try_move(row["number_id"], NumberStatus.CONSUMED) and row["bill_id"] is not None:
        await charge_fulfil(actor, source_id=row["id"])
    if actor.id is not None:
        await take_over(actor, encounter_id=row["encounter_id"], staff_id=actor.id)
        await relate(
            actor,
            person_id=row["person_id"],
            staff_id=actor.id,
            reason=CareReason.CONSULTATION,
            until=at(row["held_on"] + timedelta(days=CARE_DAYS), time.min),
        )
    await emit(
        actor,
        ConsultationStarted(
            appointment_id=row["id"],
            encounter_id=row["encounter_id"],
            person_id=row["person_id"],
            staff_id=actor.id,
        ),
    )
    return row["encounter_id"]


@action
async def write_note(
    actor: Actor, *, encounter_id: UUID, chief_complaint: str, history: str = "", advice: str = ""
) -> UUID:
    """Save the note as a new version. Only while the visit is open."""
    await open_row(actor, encounter_id=encounter_id)
    return await fetch_value(
        "INSERT INTO consultation_note (id, encounter_id, version, chief_complaint, history, advice,"
        " written_by, written_at) SELECT $1, $2, coalesce(max(version), 0) + 1, $3, $4, $5, $6, $7"
        " FROM consultation_note WHERE encounter_id = $2 RETURNING id",
        new_id(),
        encounter_id,
        chief_complaint,
        history,
        advice,
        actor.id,
        await clock.now(),
    )


@action
async def send_for_test(actor: Actor, *, ticket_id: UUID) -> UUID:
    """The patient leaves for a test and comes back to this doctor by checking in again."""
    await _visit("ticket_id = $1", ticket_id)
    return await finish_ticket(actor, ticket_id=ticket_id, out_for_test=True)


@action
async def finish_consultation(actor: Actor, *, encounter_id: UUID) -> UUID:
    """The visit is over: ticket, appointment and encounter close together."""
    row = await _visit("encounter_id = $1", encounter_id)
    await require_may_see(actor, person_id=row["person_id"])
    await finish_ticket(actor, ticket_id=row["ticket_id"])
    await APPOINTMENT_FLOW.move(row["id"], AppointmentStatus.FULFILLED, ended_at=await clock.now())
    await close_encounter(actor, encounter_id=encounter_id)
    await emit(
        actor,
        ConsultationFinished(appointment_id=row["id"], encounter_id=encounter_id, person_id=row["person_id"]),
    )
    return encounter_id


@query
async def note_of(actor: Actor, *, encounter_id: UUID) -> Note | None:
    """What was written so far, newest version."""
    await encounter(actor, encounter_id=encounter_id)
    row = await fetch_one(
        "SELECT id, encounter_id, version, chief_complaint, history, advice FROM consultation_note"
        " WHERE encounter_id = $1 ORDER BY version DESC LIMIT 1",
        encounter_id,
    )
    return None if row is None else Note(**dict(row))


async def _visit(where: str, wanted: UUID) -> asyncpg.Record:
    row = await fetch_one(f"SELECT * FROM appointment WHERE {where} FOR UPDATE", wanted)  # noqa: S608 - our own conditions
    if row is None:
        raise VisitNotFound(wanted=wanted)
    return row

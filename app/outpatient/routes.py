"""The staff's side of a visit: the desk that checks in, the room that treats."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.encounters.queries import DiagnosisView, EncounterView, diagnoses_of, encounter
from app.encounters.visiting import DiagnosisKind, record_diagnosis
from app.kernel.actor import Actor
from app.kernel.idempotency import Command, once
from app.outpatient.arrival import check_in, undo_arrival
from app.outpatient.consultation import (
    Note,
    finish_consultation,
    note_of,
    send_for_test,
    start_consultation,
    write_note,
)
from app.patients.queries import PersonView, person_view
from app.queueing.queries import TicketView, ticket_view

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
LongText = Annotated[str, msgspec.Meta(max_length=10_000)]


class NoteForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    chief_complaint: Text
    history: LongText = ""
    advice: LongText = ""


class DiagnosisForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    icd10_code: Annotated[str, msgspec.Meta(min_length=3, max_length=20)]
    kind: DiagnosisKind = DiagnosisKind.PRIMARY


class VisitReply(msgspec.Struct, frozen=True, kw_only=True):
    """A visit for who treats the patient."""

    encounter: EncounterView
    person: PersonView
    note: Note | None
    diagnoses: list[DiagnosisView]


class Done(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID


async def reply(actor: Actor, encounter_id: UUID) -> VisitReply:
    visit = await encounter(actor, encounter_id=encounter_id)
    return VisitReply(
        encounter=visit,
        person=await person_view(actor, person_id=visit.person_id),
        note=await note_of(actor, encounter_id=encounter_id),
        diagnoses=await diagnoses_of(actor, encounter_id=encounter_id),
    )


@post("/appointments/{appointment_id:uuid}/check-in", permission="appointment.check_in", status_code=200)
async def check_in_at_desk(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], appointment_id: FromPath[UUID]
) -> Done:
    return Done(id=await once(asked, check_in, actor, appointment_id=appointment_id))


@post(
    "/appointments/{appointment_id:uuid}/undo-check-in",
    permission="appointment.undo_check_in",
    status_code=200,
)
async def take_back_check_in(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], appointment_id: FromPath[UUID]
) -> Done:
    return Done(id=await once(asked, undo_arrival, actor, appointment_id=appointment_id))


@post("/tickets/{ticket_id:uuid}/start", permission="visit.start", status_code=200)
async def start(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], ticket_id: FromPath[UUID]
) -> VisitReply:
    return await reply(actor, await once(asked, start_consultation, actor, ticket_id=ticket_id))


@post("/tickets/{ticket_id:uuid}/send-for-test", permission="visit.send_for_test", status_code=200)
async def send_out(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], ticket_id: FromPath[UUID]
) -> TicketView:
    done = await once(asked, send_for_test, actor, ticket_id=ticket_id)
    return await ticket_view(actor, ticket_id=done)


@get("/encounters/{encounter_id:uuid}/visit", permission="visit.read")
async def visit_of(actor: NamedDependency[Actor], encounter_id: FromPath[UUID]) -> VisitReply:
    return await reply(actor, encounter_id)


@post("/encounters/{encounter_id:uuid}/note", permission="note.write", status_code=200)
async def save_note(
    data: JSONBody[NoteForm],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
    encounter_id: FromPath[UUID],
) -> VisitReply:
    await once(
        asked,
        write_note,
        actor,
        encounter_id=encounter_id,
        chief_complaint=data.chief_complaint,
        history=data.history,
        advice=data.advice,
    )
    return await reply(actor, encounter_id)


@post("/encounters/{encounter_id:uuid}/diagnoses", permission="diagnosis.record", status_code=201)
async def add_diagnosis(
    data: JSONBody[DiagnosisForm],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
    encounter_id: FromPath[UUID],
) -> VisitReply:
    await once(
        asked,
        record_diagnosis,
        actor,
        encounter_id=encounter_id,
        icd10_code=data.icd10_code,
        kind=data.kind,
    )
    return await reply(actor, encounter_id)


@post("/encounters/{encounter_id:uuid}/finish", permission="visit.finish", status_code=200)
async def finish(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], encounter_id: FromPath[UUID]
) -> VisitReply:
    return await reply(actor, await once(asked, finish_consultation, actor, encounter_id=encounter_id))


router = Router(
    path="/api/staff/v1",
    route_handlers=[
        check_in_at_desk,
        take_back_check_in,
        start,
        send_out,
        visit_of,
        save_note,
        add_diagnosis,
        finish,
    ],
)

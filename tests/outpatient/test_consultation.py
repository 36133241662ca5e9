"""In the room: begin, write, send for a test, finish."""

from datetime import date, time
from uuid import UUID

import pytest

from app.billing.refunds import request_refund
from app.encounters.visiting import EncounterNotFound, EncounterOver
from app.kernel.actor import system
from app.kernel.errors import DomainError
from app.kernel.ids import new_id
from app.outpatient.arrival import check_in
from app.outpatient.booking import hold_appointment
from app.outpatient.consultation import (
    VisitNotFound,
    finish_consultation,
    note_of,
    send_for_test,
    start_consultation,
    write_note,
)
from app.outpatient.paying import start_appointment_payment
from app.outpatient.rules import at
from app.queueing.calling import call_next
from tests.make import patients, payment, visit
from tests.make.rows import value

SYSTEM = system("test")
DAY = date(2026, 3, 2)


async def called(*, fee_fen: int = 0) -> tuple[visit.Clinic, UUID]:
    """A patient who was called: (the place, the ticket)."""
    await visit.set_clock(at(DAY, time(7)))
    place = await visit.clinic(fee_fen=fee_fen)
    made = await visit.session(place, held_on=DAY, starts=time(9))
    appointment_id = await hold_appointment(
        SYSTEM, session_id=made.id, window_id=made.windows[0], person_id=await patients.person()
    )
    if fee_fen:
        await payment.pay(await start_appointment_payment(SYSTEM, appointment_id=appointment_id))
    await visit.set_clock(at(DAY, time(9)))
    await check_in(SYSTEM, appointment_id=appointment_id)
    return place, await call_next(place.doctor, room_id=place.room_id)


async def test_a_visit_from_the_call_to_its_end(db: str) -> None:
    place, ticket_id = await called()
    encounter_id = await start_consultation(place.doctor, ticket_id=ticket_id)
    assert await value("SELECT status FROM ticket WHERE id = $1", ticket_id) == "in_consult"
    assert await value("SELECT staff_id FROM encounter WHERE id = $1", encounter_id) == place.staff_id
    assert await value("SELECT status FROM number WHERE seq_no = 1") == "consumed"
    assert await note_of(place.doctor, encounter_id=encounter_id) is None
    await write_note(place.doctor, encounter_id=encounter_id, chief_complaint="咳嗽三天")
    await write_note(
        place.doctor, encounter_id=encounter_id, chief_complaint="咳嗽三天", history="无", advice="多饮水"
    )
    note = await note_of(place.doctor, encounter_id=encounter_id)
    assert note is not None
    assert (note.version, note.chief_complaint, note.advice) == (2, "咳嗽三天", "多饮水")
    await finish_consultation(place.doctor, encounter_id=encounter_id)
    assert await value("SELECT status FROM appointment WHERE encounter_id = $1", encounter_id) == "fulfilled"
    assert await value("SELECT status FROM encounter WHERE id = $1", encounter_id) == "closed"
    assert await value("SELECT status FROM ticket WHERE id = $1", ticket_id) == "done"
    with pytest.raises(EncounterOver):
        await write_note(place.doctor, encounter_id=encounter_id, chief_complaint="太晚了")
    await payment.deliver()
    kinds = await value("SELECT array_agg(kind) FROM timeline_entry")
    assert {"appointment.booked", "patient.arrived", "ticket.called", "consultation.started"} <= set(kinds)


async def test_a_fee_that_was_earned_does_not_go_back(db: str) -> None:
    place, ticket_id = await called(fee_fen=5000)
    await start_consultation(place.doctor, ticket_id=ticket_id)
    assert await value("SELECT fulfilment FROM charge") == "fulfilled"
    bill_id = await value("SELECT id FROM bill")
    with pytest.raises(DomainError):
        await request_refund(SYSTEM, bill_id=bill_id)


async def test_after_a_test_the_same_doctor_goes_on(db: str) -> None:
    place, ticket_id = await called(fee_fen=5000)
    encounter_id = await start_consultation(place.doctor, ticket_id=ticket_id)
    await send_for_test(place.doctor, ticket_id=ticket_id)
    appointment_id = await value("SELECT id FROM appointment WHERE ticket_id = $1", ticket_id)
    assert await check_in(SYSTEM, appointment_id=appointment_id) == ticket_id
    assert await call_next(place.doctor, room_id=place.room_id) == ticket_id
    assert await start_consultation(place.doctor, ticket_id=ticket_id) == encounter_id


async def test_strangers_write_and_finish_nothing(db: str) -> None:
    place, ticket_id = await called()
    stranger = (await visit.clinic()).doctor
    encounter_id = await start_consultation(place.doctor, ticket_id=ticket_id)
    with pytest.raises(EncounterNotFound):
        await write_note(stranger, encounter_id=encounter_id, chief_complaint="头痛")
    with pytest.raises(VisitNotFound):
        await finish_consultation(stranger, encounter_id=encounter_id)
    with pytest.raises(EncounterNotFound):
        await note_of(stranger, encounter_id=encounter_id)


async def test_a_visit_that_is_none(db: str) -> None:
    with pytest.raises(VisitNotFound):
        await start_consultation(SYSTEM, ticket_id=new_id())
    with pytest.raises(VisitNotFound):
        await finish_consultation(SYSTEM, encounter_id=new_id())

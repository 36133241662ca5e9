"""Many at once: one place is sold once, limits hold, a hold ends once, a patient has one ticket."""

import asyncio
from collections.abc import Awaitable
from datetime import date, time
from typing import Any
from uuid import UUID

import pytest

from app.kernel.actor import system
from app.kernel.errors import DomainError
from app.outpatient.arrival import check_in
from app.outpatient.booking import AlreadyBooked, LimitReached, WindowFull, hold_appointment
from app.outpatient.paying import expire_holds, start_appointment_payment
from app.outpatient.rules import POLICY, at
from app.outpatient.schedule import make_templates, roll_sessions
from app.queueing.calling import DeskHasCalled, QueueEmpty, call_next
from tests.make import identity, patients, payment, visit
from tests.make.rows import value
from tests.outpatient.test_schedule import template

pytestmark = pytest.mark.commits
SYSTEM = system("test")
TASKS = 12


async def outcomes(*attempts: Awaitable[Any]) -> tuple[list[Any], list[type[DomainError]]]:
    """(what succeeded, how the others were refused); anything but a refusal fails the test."""
    done = await asyncio.gather(*attempts, return_exceptions=True)
    refused = [type(result) for result in done if isinstance(result, DomainError)]
    broken = [r for r in done if isinstance(r, BaseException) and not isinstance(r, DomainError)]
    assert broken == []
    return [result for result in done if not isinstance(result, BaseException)], refused


def hold(made: visit.Session, person_id: UUID) -> Awaitable[UUID]:
    return hold_appointment(SYSTEM, session_id=made.id, window_id=made.windows[0], person_id=person_id)


async def test_the_last_place_is_sold_once(db: str) -> None:
    made = await visit.session(await visit.clinic(), capacity=1)
    persons = [await patients.person() for _ in range(TASKS)]
    won, refused = await outcomes(*(hold(made, person) for person in persons))
    assert len(won) == 1
    assert set(refused) == {WindowFull}
    assert await value("SELECT count(*) FROM appointment WHERE window_id = $1", made.windows[0]) == 1


async def test_a_window_is_sold_exactly_to_its_capacity(db: str) -> None:
    made = await visit.session(await visit.clinic(), capacity=8)
    persons = [await patients.person() for _ in range(TASKS)]
    won, _ = await outcomes(*(hold(made, person) for person in persons))
    numbers = await value(
        "SELECT count(DISTINCT number_id) FROM appointment WHERE window_id = $1", made.windows[0]
    )
    # Passing over a row in other hands may refuse early; it never sells twice.
    assert len(won) == numbers <= 8


async def test_one_person_in_many_hands_has_one_place(db: str) -> None:
    made = await visit.session(await visit.clinic(), capacity=TASKS)
    person_id = await patients.person()
    won, refused = await outcomes(*(hold(made, person_id) for _ in range(TASKS)))
    assert len(won) == 1
    assert set(refused) == {AlreadyBooked}


async def test_the_limit_of_a_day_holds_against_many_hands(db: str) -> None:
    person_id = await patients.person()
    sessions = [await visit.session(await visit.clinic()) for _ in range(8)]
    won, refused = await outcomes(*(hold(made, person_id) for made in sessions))
    assert len(won) == POLICY.per_person_per_day
    assert set(refused) == {LimitReached}


async def test_a_hold_ends_once_and_payment_starts_once(db: str) -> None:
    actor = await identity.account_actor()
    made = await visit.session(await visit.clinic(), capacity=1)
    appointment_id = await hold_appointment(
        actor, session_id=made.id, window_id=made.windows[0], person_id=await patients.bound_person(actor)
    )
    bills, _ = await outcomes(
        *(start_appointment_payment(actor, appointment_id=appointment_id) for _ in range(6))
    )
    assert len(set(bills)) == 1
    await visit.set_clock(await visit.now() + POLICY.hold)
    await outcomes(*(expire_holds() for _ in range(6)))
    assert (
        await value(
            "SELECT count(*) FROM event WHERE kind = 'appointment.expired' AND aggregate_id = $1",
            appointment_id,
        )
        == 1
    )


async def test_money_and_the_end_of_the_hold_meet_and_one_of_them_wins(db: str) -> None:
    for _ in range(5):
        actor = await identity.account_actor()
        made = await visit.session(await visit.clinic(), capacity=1)
        appointment_id = await hold_appointment(
            actor,
            session_id=made.id,
            window_id=made.windows[0],
            person_id=await patients.bound_person(actor),
        )
        bill_id = await start_appointment_payment(actor, appointment_id=appointment_id)
        out_trade_no = await payment.attempt(bill_id)
        await visit.set_clock(await visit.now() + POLICY.hold)
        await outcomes(payment.arrive(out_trade_no, bill_id), expire_holds())
        await payment.deliver()
        # In time or late, nobody else wanted the number: it is booked and paid, and no refund was made.
        assert await value("SELECT status FROM appointment WHERE id = $1", appointment_id) == "booked"
        assert await value("SELECT status FROM bill WHERE id = $1", bill_id) == "paid"
        assert await value("SELECT count(*) FROM refund WHERE bill_id = $1", bill_id) == 0


async def test_two_kiosks_give_one_ticket(db: str) -> None:
    day = date(2031, 3, 3)
    await visit.set_clock(at(day, time(7)))
    made = await visit.session(await visit.clinic(fee_fen=0), held_on=day, starts=time(9))
    appointment_id = await visit.booked(SYSTEM, made, person_id=await patients.person())
    tickets, _ = await outcomes(*(check_in(SYSTEM, appointment_id=appointment_id) for _ in range(6)))
    assert len(set(tickets)) == 1
    assert await value("SELECT count(*) FROM encounter WHERE appointment_id = $1", appointment_id) == 1


async def test_desks_calling_at_once_call_different_patients(db: str) -> None:
    place = await visit.clinic()
    desks = [place, *[await visit.clinic(department_id=place.department_id) for _ in range(3)]]
    waiting = {await visit.ticket(place) for _ in range(3)}
    called, refused = await outcomes(*(call_next(desk.doctor, room_id=desk.room_id) for desk in desks))
    assert len(called) == 3
    assert set(called) == waiting
    assert refused == [QueueEmpty]


async def test_two_clicks_on_next_call_one_patient(db: str) -> None:
    place = await visit.clinic()
    for _ in range(3):
        await visit.ticket(place)
    called, refused = await outcomes(*(call_next(place.doctor, room_id=place.room_id) for _ in range(5)))
    assert len(called) == 1
    assert set(refused) == {DeskHasCalled}


async def test_first_patients_of_two_departments_get_different_prefixes(db: str) -> None:
    place = await visit.clinic()
    doctors = [place, *[await visit.clinic(department_id=place.department_id) for _ in range(3)]]
    tickets, _ = await outcomes(*(visit.ticket(doctor, own=True) for doctor in doctors))
    prefixes = await value("SELECT count(DISTINCT prefix) FROM queue WHERE zone_id = $1", place.zone_id)
    assert len(tickets) == prefixes == 4


async def test_sessions_are_rolled_once_by_many(db: str) -> None:
    await make_templates(
        SYSTEM, templates=[await template(await visit.clinic(), valid_from=await visit.today())]
    )
    made, _ = await outcomes(*(roll_sessions() for _ in range(4)))
    assert sum(made) == 2 or sum(made) == 3


async def test_first_patients_of_one_department_share_its_queue(db: str) -> None:
    place = await visit.clinic()
    tickets, _ = await outcomes(*(visit.ticket(place) for _ in range(6)))
    assert await value("SELECT count(*) FROM queue WHERE department_id = $1", place.department_id) == 1
    numbers = await value("SELECT count(DISTINCT seq) FROM ticket WHERE id = ANY($1)", tickets)
    assert numbers == 6

"""Holding, its limits and refusals, and giving back."""

from datetime import date, time, timedelta

import asyncpg
import pytest

from app.kernel.actor import Actor, system
from app.kernel.errors import DomainError
from app.kernel.ids import new_id
from app.outpatient.booking import (
    AlreadyBooked,
    AppointmentNotFound,
    CancelTooLate,
    LimitReached,
    NotCancellable,
    NotOnSale,
    SalePaused,
    SessionStopped,
    WindowFull,
    WindowNotFound,
    WindowPast,
    cancel_appointment,
    hold_appointment,
)
from app.outpatient.rules import POLICY, at
from app.outpatient.tables import NUMBER_FLOW, NumberStatus
from app.patients.access import PersonNotFound
from tests.make import identity, patients, visit
from tests.make.rows import value

SYSTEM = system("test")
MONDAY = date(2026, 3, 2)


async def hold(actor: Actor, made: visit.Session, person_id: object, *, window: int = 0) -> object:
    return await hold_appointment(
        actor,
        session_id=made.id,
        window_id=made.windows[window],
        person_id=person_id,  # type: ignore[arg-type] - an id
    )


async def of(appointment_id: object, column: str) -> object:
    return await value(f"SELECT {column} FROM appointment WHERE id = $1", appointment_id)


async def number_of(appointment_id: object) -> str:
    return await value(
        "SELECT n.status FROM number n JOIN appointment a ON a.number_id = n.id WHERE a.id = $1",
        appointment_id,
    )


async def test_a_hold_takes_the_lowest_number_for_fifteen_minutes(db: str) -> None:
    actor = await identity.account_actor()
    made = await visit.session(await visit.clinic(fee_fen=2500))
    appointment_id = await hold(actor, made, await patients.bound_person(actor))
    assert await of(appointment_id, "status") == "held"
    assert await of(appointment_id, "seq_no") == 1
    assert await of(appointment_id, "fee_fen") == 2500
    assert await of(appointment_id, "account_id") == actor.id
    assert await of(appointment_id, "channel") == "mini_program"
    assert await of(appointment_id, "expires_at") == await visit.now() + timedelta(minutes=15)
    assert await number_of(appointment_id) == "held"
    assert await value("SELECT count(*) FROM event WHERE kind = 'appointment.held'") == 1
    assert await of(appointment_id, "bill_id") is None


async def test_the_booking_code_tells_nothing(db: str) -> None:
    actor = await identity.account_actor()
    made = await visit.session(await visit.clinic())
    code = await of(await hold(actor, made, await patients.bound_person(actor)), "booking_code")
    assert isinstance(code, str)
    assert len(code) == 24
    assert code.isalnum()
    assert code.isupper()


async def test_what_costs_nothing_is_booked_at_once(db: str) -> None:
    actor = await identity.account_actor()
    made = await visit.session(await visit.clinic(fee_fen=0))
    appointment_id = await hold(actor, made, await patients.bound_person(actor))
    assert await of(appointment_id, "status") == "booked"
    assert await number_of(appointment_id) == "booked"
    assert await value("SELECT count(*) FROM bill") == 0


async def test_a_window_never_gives_more_than_it_has(db: str) -> None:
    made = await visit.session(await visit.clinic(), capacity=2)
    for _ in range(2):
        await hold(SYSTEM, made, await patients.person())
    with pytest.raises(WindowFull):
        await hold(SYSTEM, made, await patients.person())


async def test_a_recycling_number_is_sold_when_its_instant_has_come(db: str) -> None:
    made = await visit.session(await visit.clinic(), capacity=1)
    first = await hold(SYSTEM, made, await patients.person())
    await cancel_appointment(SYSTEM, appointment_id=first)  # type: ignore[arg-type] - an id
    assert await number_of(first) == "recycling"
    with pytest.raises(WindowFull):
        await hold(SYSTEM, made, await patients.person())
    await visit.set_clock(await visit.now() + POLICY.recycle_max)
    assert await hold(SYSTEM, made, await patients.person())


@pytest.mark.parametrize("start", list(NumberStatus), ids=str)
async def test_the_claim_moves_exactly_what_the_flow_allows(db: str, start: NumberStatus) -> None:
    """The SQL function that moves a status agrees with the Flow beside the table."""
    made = await visit.session(await visit.clinic(), capacity=1)
    number_id = made.numbers[0][0]
    await value("UPDATE number SET status = $2 WHERE id = $1 RETURNING 1", number_id, str(start))
    claimed = await value("SELECT id FROM jiuyi.claim_number($1)", made.windows[0])
    assert (claimed == number_id) == NUMBER_FLOW.allows(start, NumberStatus.HELD)


async def test_who_may_not_act_for_a_person_holds_nothing(db: str) -> None:
    actor = await identity.account_actor()
    made = await visit.session(await visit.clinic())
    with pytest.raises(PersonNotFound):
        await hold(actor, made, await patients.person())


async def test_one_live_appointment_per_department_and_half_day(db: str) -> None:
    place = await visit.clinic()
    other_doctor = await visit.clinic(department_id=place.department_id)
    person_id = await patients.person()
    first = await hold(SYSTEM, await visit.session(place), person_id)
    with pytest.raises(AlreadyBooked) as refused:
        await hold(SYSTEM, await visit.session(other_doctor), person_id)
    assert refused.value.ids == {"appointment_id": str(first)}
    assert await hold(SYSTEM, await visit.session(place, half_day="pm"), person_id)


async def test_a_person_has_three_a_day(db: str) -> None:
    person_id = await patients.person()
    for _ in range(3):
        await hold(SYSTEM, await visit.session(await visit.clinic()), person_id)
    with pytest.raises(LimitReached, match="limit_reached") as refused:
        await hold(SYSTEM, await visit.session(await visit.clinic()), person_id)
    assert "3" in refused.value.detail


async def test_an_account_has_five_a_day(db: str) -> None:
    actor = await identity.account_actor()
    persons = [await patients.bound_person(actor), await patients.bound_person(actor, relation="2")]
    for i in range(5):
        await hold(actor, await visit.session(await visit.clinic()), persons[i % 2])
    with pytest.raises(LimitReached) as refused:
        await hold(actor, await visit.session(await visit.clinic()), persons[1])
    assert "5" in refused.value.detail


async def test_a_cancelled_one_counts_no_more(db: str) -> None:
    person_id = await patients.person()
    made = await visit.session(await visit.clinic())
    first = await hold(SYSTEM, made, person_id)
    await cancel_appointment(SYSTEM, appointment_id=first)  # type: ignore[arg-type] - an id
    assert await hold(SYSTEM, made, person_id) != first


async def test_a_number_is_sold_from_its_release_on(db: str) -> None:
    await visit.set_clock(at(MONDAY, time(7)) - timedelta(microseconds=1))
    made = await visit.session(
        await visit.clinic(), held_on=MONDAY + timedelta(days=7), opens_at=at(MONDAY, time(7))
    )
    person_id = await patients.person()
    with pytest.raises(NotOnSale):
        await hold(SYSTEM, made, person_id)
    await visit.set_clock(at(MONDAY, time(7)))
    assert await hold(SYSTEM, made, person_id)


async def test_the_next_days_numbers_rest_from_seventeen_to_midnight(db: str) -> None:
    await visit.set_clock(at(MONDAY, time(17)))
    made = await visit.session(await visit.clinic(), held_on=MONDAY + timedelta(days=1))
    with pytest.raises(SalePaused):
        await hold(SYSTEM, made, await patients.person())


async def test_a_window_that_has_begun_is_not_sold(db: str) -> None:
    await visit.set_clock(at(MONDAY, time(8)))
    made = await visit.session(await visit.clinic(), held_on=MONDAY, windows=2)
    with pytest.raises(WindowPast):
        await hold(SYSTEM, made, await patients.person())
    assert await hold(SYSTEM, made, await patients.person(), window=1)


async def test_a_stopped_session_sells_nothing(db: str) -> None:
    made = await visit.session(await visit.clinic(), status="stopped")
    with pytest.raises(SessionStopped):
        await hold(SYSTEM, made, await patients.person())


async def test_a_window_belongs_to_its_session(db: str) -> None:
    place = await visit.clinic()
    one, other = await visit.session(place), await visit.session(place, half_day="pm")
    with pytest.raises(WindowNotFound):
        await hold_appointment(
            SYSTEM, session_id=one.id, window_id=other.windows[0], person_id=await patients.person()
        )


async def test_the_database_is_the_last_wall(db: str) -> None:
    """One live owner of a number; one live appointment of a person in a department and half-day."""
    made = await visit.session(await visit.clinic(), capacity=2)
    first = await hold(SYSTEM, made, await patients.person())
    names = (
        "person_id, channel, session_id, window_id, number_id, department_id, staff_id, room_id,"
        " visit_type, held_on, half_day, seq_no, starts_at, ends_at, status, item_id, fee_fen, expires_at"
    )
    for changed, wall in (
        (names.replace("person_id", "$3::uuid", 1), "appointment_live_number"),
        (names.replace("number_id", "$3::uuid", 1), "appointment_live_half_day"),
    ):
        other = made.numbers[0][1] if wall.endswith("half_day") else await patients.person()
        with pytest.raises(asyncpg.UniqueViolationError, match=wall):
            await value(
                f"INSERT INTO appointment (id, booking_code, {names})"
                f" SELECT $2, 'X', {changed} FROM appointment WHERE id = $1",
                first,
                new_id(),
                other,
            )


async def booked(actor: Actor, made: visit.Session) -> object:
    return await visit.booked(actor, made, person_id=await patients.bound_person(actor))


async def test_a_booked_place_is_given_back_until_its_deadline(db: str) -> None:
    await visit.set_clock(at(MONDAY, time(7)))
    actor = await identity.account_actor()
    made = await visit.session(await visit.clinic(fee_fen=0), held_on=MONDAY, starts=time(9))
    appointment_id = await booked(actor, made)
    await visit.set_clock(at(MONDAY, time(8, 30)) - timedelta(microseconds=1))
    assert await cancel_appointment(actor, appointment_id=appointment_id) == appointment_id  # type: ignore[arg-type] - an id
    assert await of(appointment_id, "status") == "cancelled"
    assert await number_of(appointment_id) == "recycling"
    assert await cancel_appointment(actor, appointment_id=appointment_id) == appointment_id  # type: ignore[arg-type] - an id
    assert await value("SELECT count(*) FROM event WHERE kind = 'appointment.cancelled'") == 1


@pytest.mark.parametrize(
    ("visit_type", "moment"),
    [("ordinary", time(8, 30)), ("expert", time.min)],
    ids=["ordinary at half an hour before", "expert at midnight"],
)
async def test_after_the_deadline_only_the_desk_cancels(db: str, visit_type: str, moment: time) -> None:
    await visit.set_clock(at(MONDAY, time.min) - timedelta(days=2))
    actor = await identity.account_actor()
    made = await visit.session(
        await visit.clinic(fee_fen=0), held_on=MONDAY, starts=time(9), visit_type=visit_type
    )
    appointment_id = await booked(actor, made)
    await visit.set_clock(at(MONDAY, moment))
    with pytest.raises(CancelTooLate):
        await cancel_appointment(actor, appointment_id=appointment_id)  # type: ignore[arg-type] - an id


@pytest.mark.parametrize("status", ["arrived", "fulfilled", "expired", "no_show", "closed_late_pay"])
async def test_what_is_over_is_not_cancelled(db: str, status: str) -> None:
    actor = await identity.account_actor()
    appointment_id = await booked(actor, await visit.session(await visit.clinic(fee_fen=0)))
    await value("UPDATE appointment SET status = $2 WHERE id = $1 RETURNING 1", appointment_id, status)
    with pytest.raises(NotCancellable):
        await cancel_appointment(actor, appointment_id=appointment_id)  # type: ignore[arg-type] - an id


async def test_a_stranger_cancels_nothing(db: str) -> None:
    actor = await identity.account_actor()
    appointment_id = await booked(actor, await visit.session(await visit.clinic(fee_fen=0)))
    with pytest.raises(AppointmentNotFound):  # that there is one is no stranger's business
        await cancel_appointment(await identity.account_actor(), appointment_id=appointment_id)  # type: ignore[arg-type] - an id
    with pytest.raises(AppointmentNotFound):
        await cancel_appointment(actor, appointment_id=new_id())


async def test_the_fee_is_copied_when_it_is_held(db: str) -> None:
    place = await visit.clinic(fee_fen=5000)
    first = await hold(SYSTEM, await visit.session(place), await patients.person())
    await value(
        "UPDATE priced_item SET unit_price_micro_yuan = 99990000 WHERE id = $1 RETURNING 1", place.item_id
    )
    assert await of(first, "fee_fen") == 5000


def test_every_refusal_says_what_to_do() -> None:
    for error in (
        WindowFull,
        NotOnSale,
        SalePaused,
        WindowPast,
        SessionStopped,
        AlreadyBooked,
        CancelTooLate,
    ):
        assert issubclass(error, DomainError)
        assert error.message.endswith("。")

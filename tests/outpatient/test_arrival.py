"""Checking in: who may, when, what follows, and taking it back."""

from datetime import date, datetime, time, timedelta
from uuid import UUID

import pytest

from app.kernel.actor import Actor, system
from app.kernel.ids import new_id
from app.outpatient.arrival import (
    NotBooked,
    NotPaid,
    NotToday,
    TooLate,
    check_in,
    mark_no_shows,
    undo_arrival,
)
from app.outpatient.booking import AppointmentNotFound, SessionStopped, hold_appointment
from app.outpatient.identifying import (
    TRIES_PER_MINUTE_MAX,
    TooManyTries,
    VisitorExpired,
    VisitorUnknown,
    forget_identifications,
    identify,
    shown_by,
)
from app.outpatient.queries import visits_shown
from app.outpatient.rules import at
from app.queueing.calling import call_next, miss_ticket
from app.queueing.joining import AlreadyCalled
from tests.make import identity, organization, patients, payment, visit
from tests.make.rows import value

SYSTEM = system("test")
DAY = date(2026, 3, 2)
TINY = timedelta(microseconds=1)


class Patient:
    """Somebody with a booked place at 9:00 on the day, and the kiosk in the lobby."""

    def __init__(
        self, place: visit.Clinic, made: visit.Session, appointment_id: UUID, kiosk: Actor, card: str
    ) -> None:
        self.place = place
        self.made = made
        self.appointment_id = appointment_id
        self.kiosk = kiosk
        self.card = card

    async def token(self) -> str:
        return (await identify(self.kiosk, kind="id_card", value=self.card)).token

    async def check_in(self) -> UUID:
        return await check_in(
            self.kiosk, appointment_id=self.appointment_id, visitor_token=await self.token()
        )

    async def of(self, column: str) -> object:
        return await value(f"SELECT {column} FROM appointment WHERE id = $1", self.appointment_id)

    async def desk(self) -> Actor:
        return identity.staff_actor(
            await organization.staff(role="nurse", department_id=self.place.department_id)
        )


async def patient(
    *, now: datetime | None = None, visit_type: str = "ordinary", born_on: date = date(1990, 5, 6)
) -> Patient:
    await visit.set_clock(at(DAY, time(7)))
    place = await visit.clinic(fee_fen=0)
    made = await visit.session(
        place, held_on=DAY, starts=time(9), capacity=3, windows=2, visit_type=visit_type
    )
    card = patients.id_number(born_on=born_on)
    person_id = await patients.person(born_on=born_on, number=card)
    appointment_id = await visit.booked(SYSTEM, made, person_id=person_id)
    device_id, _ = await identity.device()
    await visit.set_clock(now or at(DAY, time(8, 30)))
    return Patient(place, made, appointment_id, identity.device_actor(device_id), card)


async def test_a_check_in_opens_the_visit_and_gives_a_ticket(db: str) -> None:
    one = await patient()
    ticket_id = await one.check_in()
    assert await one.of("status") == "arrived"
    assert await one.of("ticket_id") == ticket_id
    encounter = await value("SELECT department_id FROM encounter WHERE id = $1", await one.of("encounter_id"))
    assert encounter == one.place.department_id
    assert await value("SELECT number FROM ticket WHERE id = $1", ticket_id) == "A001"
    assert await value("SELECT prior_s FROM queue_day") == 600
    assert await value("SELECT jiuyi.staff_cares_for($1, $2)", one.place.staff_id, await one.of("person_id"))
    await payment.deliver()
    assert await value("SELECT count(*) FROM timeline_entry WHERE kind = 'patient.arrived'") == 1


async def test_checking_in_twice_returns_the_same_ticket(db: str) -> None:
    one = await patient()
    assert await one.check_in() == await one.check_in()
    assert await value("SELECT count(*) FROM event WHERE kind = 'patient.arrived'") == 1
    assert await value("SELECT count(*) FROM encounter") == 1


async def test_an_expert_is_awaited_at_his_own_queue_and_room(db: str) -> None:
    one = await patient(visit_type="expert")
    ticket_id = await one.check_in()
    assert await value("SELECT kind FROM queue") == "doctor"
    assert await value("SELECT room_id FROM ticket WHERE id = $1", ticket_id) == one.place.room_id


async def test_who_is_eighty_goes_first(db: str) -> None:
    one = await patient(born_on=date(1946, 3, 2))
    ticket_id = await one.check_in()
    assert await value("SELECT priority FROM ticket WHERE id = $1", ticket_id) == "elder_80"
    assert await value("SELECT priority_reason FROM ticket WHERE id = $1", ticket_id) == "年满80周岁"


@pytest.mark.parametrize(
    ("now", "letter"),
    [
        (at(DAY, time.min), "N"),
        (at(DAY, time(9, 30)) - TINY, "N"),
        (at(DAY, time(9, 30)), "M"),
        (at(DAY, time(10)), "M"),
    ],
    ids=["at midnight", "in the window", "late", "thirty minutes late"],
)
async def test_late_ones_wait_among_the_missed(db: str, now: datetime, letter: str) -> None:
    one = await patient(now=now)
    assert await value("SELECT list FROM ticket WHERE id = $1", await one.check_in()) == letter


async def test_more_than_thirty_minutes_late_is_refused(db: str) -> None:
    one = await patient(now=at(DAY, time(10)) + TINY)
    with pytest.raises(TooLate):
        await one.check_in()
    shown = (await visits_shown(one.kiosk, visitor_token=await one.token()))[0]
    assert not shown.can_check_in
    assert shown.why_not is not None
    assert (shown.why_not.code, shown.why_not.detail) == (TooLate.code, TooLate.message)


async def test_the_day_before_is_too_early(db: str) -> None:
    one = await patient(now=at(DAY, time.min) - TINY)
    with pytest.raises(NotToday):
        await one.check_in()


async def test_an_unpaid_hold_is_told_to_pay(db: str) -> None:
    await visit.set_clock(at(DAY, time(7)))
    made = await visit.session(await visit.clinic(), held_on=DAY, starts=time(9))
    appointment_id = await hold_appointment(
        SYSTEM, session_id=made.id, window_id=made.windows[0], person_id=await patients.person()
    )
    with pytest.raises(NotPaid):
        await check_in(SYSTEM, appointment_id=appointment_id)


async def test_a_cancelled_one_is_refused(db: str) -> None:
    one = await patient()
    await value("UPDATE appointment SET status = 'cancelled' WHERE id = $1 RETURNING 1", one.appointment_id)
    with pytest.raises(NotBooked):
        await one.check_in()


async def test_a_stopped_session_is_refused(db: str) -> None:
    one = await patient()
    await value("UPDATE clinic_session SET status = 'stopped' RETURNING 1")
    with pytest.raises(SessionStopped):
        await one.check_in()


async def test_a_missed_patient_checks_in_again_at_the_kiosk(db: str) -> None:
    one = await patient()
    ticket_id = await one.check_in()
    await call_next(one.place.doctor, room_id=one.place.room_id)
    await miss_ticket(one.place.doctor, ticket_id=ticket_id)
    shown = (await visits_shown(one.kiosk, visitor_token=await one.token()))[0]
    assert shown.can_check_in
    assert await one.check_in() == ticket_id
    assert await value("SELECT list FROM ticket WHERE id = $1", ticket_id) == "M"
    shown = (await visits_shown(one.kiosk, visitor_token=await one.token()))[0]
    assert (shown.can_check_in, shown.ticket_id) == (False, ticket_id)


async def test_the_desk_checks_in_and_takes_it_back(db: str) -> None:
    one = await patient()
    desk = await one.desk()
    ticket_id = await check_in(desk, appointment_id=one.appointment_id)
    await undo_arrival(desk, appointment_id=one.appointment_id)
    assert await one.of("status") == "booked"
    assert await one.check_in() == ticket_id
    assert await value("SELECT count(*) FROM encounter") == 1


async def test_a_called_patient_is_not_taken_back(db: str) -> None:
    one = await patient()
    await one.check_in()
    await call_next(one.place.doctor, room_id=one.place.room_id)
    with pytest.raises(AlreadyCalled):
        await undo_arrival(await one.desk(), appointment_id=one.appointment_id)


async def test_only_who_stands_there_arrives(db: str) -> None:
    one, other = await patient(), await patient()
    elsewhere = identity.staff_actor(
        await organization.staff(role="nurse", department_id=other.place.department_id)
    )
    account = await identity.account_actor()
    for actor, token in (
        (elsewhere, None),
        (account, None),
        (other.kiosk, await other.token()),
    ):
        with pytest.raises(AppointmentNotFound):
            await check_in(actor, appointment_id=one.appointment_id, visitor_token=token)
    with pytest.raises(AppointmentNotFound):
        await check_in(SYSTEM, appointment_id=new_id())
    with pytest.raises(AppointmentNotFound):
        await undo_arrival(SYSTEM, appointment_id=one.appointment_id)


async def test_a_registrar_of_any_department_may_check_in(db: str) -> None:
    one = await patient()
    registrar = identity.staff_actor(await organization.staff(role="registrar"))
    assert await check_in(registrar, appointment_id=one.appointment_id)


async def test_a_token_is_worth_ninety_seconds_on_its_device(db: str) -> None:
    one = await patient()
    token = await one.token()
    other_device, _ = await identity.device()
    with pytest.raises(VisitorExpired):
        await shown_by(identity.device_actor(other_device), visitor_token=token)
    assert await shown_by(one.kiosk, visitor_token=token)
    await value("UPDATE kiosk_identification SET expires_at = now() - interval '1 second' RETURNING 1")
    with pytest.raises(VisitorExpired):
        await check_in(one.kiosk, appointment_id=one.appointment_id, visitor_token=token)
    with pytest.raises(VisitorExpired):
        await check_in(one.kiosk, appointment_id=one.appointment_id)


async def test_the_token_is_stored_hashed(db: str) -> None:
    one = await patient()
    token = await one.token()
    stored = await value("SELECT token_hash FROM kiosk_identification WHERE found")
    assert token.encode() not in bytes(stored)
    assert len(stored) == 32


async def test_a_booking_code_opens_its_own_visit_only(db: str) -> None:
    one = await patient()
    second = await visit.session(await visit.clinic(fee_fen=0), held_on=DAY, starts=time(11))
    person_id = await value("SELECT person_id FROM appointment WHERE id = $1", one.appointment_id)
    other = await visit.booked(SYSTEM, second, person_id=person_id)
    code = str(await one.of("booking_code"))
    visitor = await identify(one.kiosk, kind="booking_code", value=f" {code.lower()}\r")
    shown = await visits_shown(one.kiosk, visitor_token=visitor.token)
    assert [v.appointment_id for v in shown] == [one.appointment_id]
    assert visitor.masked_name == "李*明"
    with pytest.raises(AppointmentNotFound):
        await check_in(one.kiosk, appointment_id=other, visitor_token=visitor.token)
    by_card = await visits_shown(one.kiosk, visitor_token=await one.token())
    assert [v.appointment_id for v in by_card] == [one.appointment_id, other]


@pytest.mark.parametrize(
    ("kind", "text"),
    [("id_card", "110101199005060011"), ("id_card", "no number"), ("booking_code", "A" * 24)],
    ids=["wrong check digit", "no number at all", "unknown code"],
)
async def test_the_unknown_are_counted_and_sent_to_the_desk(db: str, kind: str, text: str) -> None:
    kiosk = identity.device_actor((await identity.device())[0])
    with pytest.raises(VisitorUnknown):
        await identify(kind=kind, value=text, actor=kiosk)  # type: ignore[arg-type] - one of the two kinds
    assert await value("SELECT count(*) FROM kiosk_identification WHERE NOT found") == 1


async def test_a_kiosk_tries_only_so_often_a_minute(db: str) -> None:
    one = await patient()
    for _ in range(TRIES_PER_MINUTE_MAX):
        with pytest.raises(VisitorUnknown):
            await identify(one.kiosk, kind="booking_code", value="B" * 24)
    with pytest.raises(TooManyTries):
        await one.token()
    await value("UPDATE kiosk_identification SET made_at = made_at - interval '1 minute' RETURNING 1")
    assert await one.token()


async def test_identifications_are_forgotten_after_a_day(db: str) -> None:
    one = await patient()
    await one.token()
    assert await forget_identifications() == 0
    await value("UPDATE kiosk_identification SET made_at = made_at - interval '2 days' RETURNING 1")
    assert await forget_identifications() == 1


async def test_who_never_came_is_noted_when_the_session_is_over(db: str) -> None:
    one = await patient(now=at(DAY, time(10)) - TINY)
    assert await mark_no_shows() == 0
    await visit.set_clock(at(DAY, time(10)))
    assert await mark_no_shows() == 1
    assert await one.of("status") == "no_show"
    assert await mark_no_shows() == 0


async def test_a_stopped_session_makes_no_no_show(db: str) -> None:
    await patient(now=at(DAY, time(12)))
    await value("UPDATE clinic_session SET status = 'stopped' RETURNING 1")
    assert await mark_no_shows() == 0

"""Clinics, sessions, appointments and tickets."""

from datetime import date, datetime, time, timedelta
from uuid import UUID

import msgspec

from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch_value, query
from app.kernel.ids import new_id
from app.outpatient.booking import book, hold_appointment
from app.outpatient.rules import at
from app.queueing.joining import join_queue
from app.queueing.queues import department_queue
from app.queueing.tables import PriorityClass
from tests.make import identity, organization, patients
from tests.make.rows import row, value


class Clinic(msgspec.Struct, frozen=True, kw_only=True):
    """One doctor's place to see patients."""

    campus_id: UUID
    zone_id: UUID
    department_id: UUID
    staff_id: UUID
    room_id: UUID
    item_id: UUID

    @property
    def doctor(self) -> Actor:
        return identity.staff_actor(self.staff_id)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A dated session; `windows` in time order, `numbers` by window."""

    id: UUID
    windows: list[UUID]
    numbers: list[list[UUID]]


async def clinic(
    *, fee_fen: int = 5000, number_only: bool = False, department_id: UUID | None = None
) -> Clinic:
    department_id = department_id or await organization.department(number_only=number_only)
    campus_id = await value("SELECT campus_id FROM department WHERE id = $1", department_id)
    zone_id = await value("SELECT zone_id FROM department WHERE id = $1", department_id)
    return Clinic(
        campus_id=campus_id,
        zone_id=zone_id,
        department_id=department_id,
        staff_id=await organization.staff(department_id=department_id),
        room_id=await organization.room(department_id=department_id, zone_id=zone_id),
        item_id=await row(
            "priced_item",
            code=f"GH{new_id().hex[-12:]}",
            name="普通门诊诊查费",
            kind="consultation",
            unit="次",
            unit_price_micro_yuan=fee_fen * 10_000,
            valid_from=date(2026, 1, 1),
            active=True,
        ),
    )


async def session(
    place: Clinic,
    *,
    held_on: date | None = None,
    starts: time = time(8),
    windows: int = 1,
    capacity: int = 2,
    visit_type: str = "ordinary",
    opens_at: datetime | None = None,
    half_day: str = "am",
    status: str = "open",
) -> Session:
    """A session three days ahead from 08:00, on sale since yesterday."""
    held_on = held_on or await today() + timedelta(days=3)
    begins = at(held_on, starts)
    opens = opens_at or await now() - timedelta(days=1)
    session_id = await row(
        "clinic_session",
        campus_id=place.campus_id,
        department_id=place.department_id,
        staff_id=place.staff_id,
        room_id=place.room_id,
        held_on=held_on,
        half_day=half_day,
        visit_type=visit_type,
        item_id=place.item_id,
        status=status,
        opens_at=opens,
        starts_at=begins,
        ends_at=begins + timedelta(minutes=30 * windows),
    )
    made = Session(id=session_id, windows=[], numbers=[])
    for i in range(windows):
        window_begins = begins + timedelta(minutes=30 * i)
        made.windows.append(await _window(session_id, window_begins, capacity))
        made.numbers.append(await _numbers(made, capacity, opens))
    return made


async def _window(session_id: UUID, begins: datetime, capacity: int) -> UUID:
    return await row(
        "session_window",
        session_id=session_id,
        starts_at=begins,
        ends_at=begins + timedelta(minutes=30),
        capacity=capacity,
    )


async def _numbers(made: Session, capacity: int, opens: datetime) -> list[UUID]:
    """The numbers of the newest window."""
    first = (len(made.windows) - 1) * capacity + 1
    return [
        await row(
            "number",
            session_id=made.id,
            window_id=made.windows[-1],
            seq_no=seq_no,
            status="unreleased",
            free_at=opens,
        )
        for seq_no in range(first, first + capacity)
    ]


async def booked(actor: Actor, made: Session, *, person_id: UUID, window: int = 0) -> UUID:
    """An appointment that is booked as if its fee had been paid."""
    appointment_id = await hold_appointment(
        actor, session_id=made.id, window_id=made.windows[window], person_id=person_id
    )
    if await value("SELECT status FROM appointment WHERE id = $1", appointment_id) == "held":
        await book(system("test"), appointment_id=appointment_id)
    return appointment_id


async def ticket(
    place: Clinic,
    *,
    name: str = "李小明",
    planned_at: datetime | None = None,
    seq_no: int = 0,
    late: bool = False,
    priority: PriorityClass | None = None,
    own: bool = False,
) -> UUID:
    """Somebody checked in to the department's queue, or to the doctor's own."""
    actor = system("test")
    queue_id = await department_queue(
        actor, department_id=place.department_id, staff_id=place.staff_id if own else None
    )
    return await join_queue(
        actor,
        queue_id=queue_id,
        person_id=await patients.person(name=name),
        subject_kind="appointment",
        subject_id=new_id(),
        planned_at=planned_at,
        seq_no=seq_no,
        late=late,
        priority=priority,
        priority_reason="" if priority is None else "证件已核对",
    )


async def now() -> datetime:
    return await _now(system("test"))


@query
async def _now(actor: Actor) -> datetime:
    return await clock.now()


async def today() -> date:
    return clock.local_day(await now())


async def set_clock(instant: datetime) -> None:
    """Business time is `instant` from here on; unlike the hospital's own, a test's clock also goes back."""
    await _set_clock(system("test"), instant=instant)


@action
async def _set_clock(actor: Actor, *, instant: datetime) -> None:
    await fetch_value("UPDATE clock_offset SET offset_by = $1 - now()", instant)

"""Sessions, windows and appointments as screens need them."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec

from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import fetch, fetch_one, fetch_value, query
from app.outpatient.arrival import refusal
from app.outpatient.booking import AppointmentNotFound, WindowNotFound, own_appointment
from app.outpatient.identifying import shown_by
from app.outpatient.rules import POLICY, Sale, arrival, cancel_until, sale
from app.outpatient.tables import AppointmentStatus, HalfDay, SessionStatus, VisitType
from app.queueing.tables import TicketStatus

DAYS_SHOWN_MAX = 14
SESSIONS_SHOWN_MAX = 500
PAGE_MAX = 100
VISITS_SHOWN_MAX = 20


class SessionShown(msgspec.Struct, frozen=True, kw_only=True):
    """One half-day of one doctor. `free` counts the numbers of windows that can be booked now."""

    session_id: UUID
    date: date
    half_day: HalfDay
    visit_type: VisitType
    status: SessionStatus
    doctor_id: UUID
    doctor: str
    title: str
    room: str
    fee_fen: int
    opens_at: datetime
    starts_at: datetime
    ends_at: datetime
    free: int
    capacity: int
    sale: Sale


class WindowShown(msgspec.Struct, frozen=True, kw_only=True):
    window_id: UUID
    starts_at: datetime
    ends_at: datetime
    capacity: int
    free: int
    sale: Sale
    bookable: bool


class AppointmentView(msgspec.Struct, frozen=True, kw_only=True):
    """An appointment for who may act for its person. The code is what its QR says."""

    id: UUID
    person_id: UUID
    status: AppointmentStatus
    department_id: UUID
    department: str
    doctor_id: UUID
    doctor: str
    room_id: UUID
    room: str
    zone: str
    visit_type: VisitType
    date: date
    half_day: HalfDay
    starts_at: datetime
    ends_at: datetime
    seq_no: int
    fee_fen: int
    bill_id: UUID | None
    booking_code: str
    expires_at: datetime
    cancel_until: datetime
    encounter_id: UUID | None
    ticket_id: UUID | None
    session_id: UUID
    window_id: UUID


class WhyNot(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    detail: str


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """An appointment of today as a kiosk may show it."""

    appointment_id: UUID
    department: str
    doctor: str
    room: str
    zone: str
    starts_at: datetime
    ends_at: datetime
    seq_no: int
    status: AppointmentStatus
    ticket_id: UUID | None
    can_check_in: bool
    why_not: WhyNot | None = None


# The hot read: one round trip, counted where the rows are. Windows that have begun sell nothing.
SESSIONS = (
    "SELECT s.id AS session_id, s.held_on AS date, s.half_day, s.visit_type, s.status,"
    " s.staff_id AS doctor_id, d.name AS doctor, d.title, r.name AS room,"
    " round(i.unit_price_micro_yuan / 10000.0)::bigint AS fee_fen, s.opens_at, s.starts_at, s.ends_at,"
    " stock.free, stock.capacity, stock.last_start"
    " FROM clinic_session s JOIN staff d ON d.id = s.staff_id JOIN room r ON r.id = s.room_id"
    " JOIN priced_item i ON i.id = s.item_id"
    " CROSS JOIN LATERAL (SELECT sum(w.capacity) AS capacity, max(w.starts_at) AS last_start, coalesce(sum("
    "   CASE WHEN w.starts_at > $4 THEN (SELECT count(*) FROM number n WHERE n.window_id = w.id"
    "     AND n.status IN ('unreleased', 'free', 'recycling') AND (n.status = 'free' OR n.free_at <= $4))"
    "   ELSE 0 END), 0) AS free FROM session_window w WHERE w.session_id = s.id) AS stock"
    " WHERE s.department_id = $1 AND s.held_on BETWEEN $2 AND $3 AND s.status <> 'closed'"
    " ORDER BY s.held_on, s.starts_at, d.name, s.id LIMIT $5"
)


@query
async def sessions_of(
    actor: Actor, *, department_id: UUID, first: date | None = None, days: int = 7
) -> list[SessionShown]:
    """A department's half-days from a day on (today where none is named)."""
    now = await clock.now()
    first = first or clock.local_day(now)
    last = first + timedelta(days=min(max(days, 1), DAYS_SHOWN_MAX) - 1)
    rows = await fetch(SESSIONS, department_id, first, last, now, SESSIONS_SHOWN_MAX)
    return [_session(row, now) for row in rows]


def _session(row: asyncpg.Record, now: datetime) -> SessionShown:
    state = sale(POLICY, opens=row["opens_at"], window_starts=row["last_start"], now=now)
    return SessionShown(
        session_id=row["session_id"],
        date=row["date"],
        half_day=HalfDay(row["half_day"]),
        visit_type=VisitType(row["visit_type"]),
        status=SessionStatus(row["status"]),
        doctor_id=row["doctor_id"],
        doctor=row["doctor"],
        title=row["title"],
        room=row["room"],
        fee_fen=row["fee_fen"],
        opens_at=row["opens_at"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        free=int(row["free"]) if state is Sale.OPEN and row["status"] == SessionStatus.OPEN else 0,
        capacity=int(row["capacity"]),
        sale=state,
    )


@query
async def windows_of(actor: Actor, *, session_id: UUID) -> list[WindowShown]:
    """A session's windows with what is left of each."""
    now = await clock.now()
    rows = await fetch(
        "SELECT w.id AS window_id, w.starts_at, w.ends_at, w.capacity, s.opens_at, s.status,"
        " (SELECT count(*) FROM number n WHERE n.window_id = w.id"
        "   AND n.status IN ('unreleased', 'free', 'recycling')"
        "   AND (n.status = 'free' OR n.free_at <= $2)) AS free"
        " FROM session_window w JOIN clinic_session s ON s.id = w.session_id"
        " WHERE s.id = $1 ORDER BY w.starts_at",
        session_id,
        now,
    )
    if not rows:
        raise WindowNotFound(session_id=session_id)
    return [_window(row, now) for row in rows]


def _window(row: asyncpg.Record, now: datetime) -> WindowShown:
    state = sale(POLICY, opens=row["opens_at"], window_starts=row["starts_at"], now=now)
    on_sale = state is Sale.OPEN and row["status"] == SessionStatus.OPEN
    return WindowShown(
        window_id=row["window_id"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        capacity=row["capacity"],
        free=row["free"],
        sale=state,
        bookable=on_sale and row["free"] > 0,
    )


APPOINTMENT = (
    "SELECT a.id, a.person_id, a.status, a.department_id, d.name AS department, a.staff_id AS doctor_id,"
    " s.name AS doctor, a.room_id, r.name AS room, z.name AS zone, a.visit_type, a.held_on AS date,"
    " a.half_day, a.starts_at, a.ends_at, a.seq_no, a.fee_fen, a.bill_id, a.booking_code, a.expires_at,"
    " a.encounter_id, a.ticket_id, a.session_id, a.window_id"
    " FROM appointment a JOIN department d ON d.id = a.department_id JOIN staff s ON s.id = a.staff_id"
    " JOIN room r ON r.id = a.room_id JOIN zone z ON z.id = r.zone_id"
)


@query
async def appointment_view(actor: Actor, *, appointment_id: UUID) -> AppointmentView:
    await own_appointment(actor, appointment_id)
    row = await fetch_one(f"{APPOINTMENT} WHERE a.id = $1", appointment_id)
    if row is None:
        raise AppointmentNotFound(appointment_id=appointment_id)
    return _appointment(row)


MINE = (
    "WHERE ($3::uuid IS NULL OR a.id < $3) AND a.person_id IN (SELECT b.person_id FROM binding b"
    " WHERE b.account_id = $1 AND b.valid_from <= jiuyi.now()"
    " AND (b.valid_to IS NULL OR b.valid_to > jiuyi.now())"
    " AND (jiuyi.account_follows($1, b.person_id) OR (a.account_id = $1 AND 'book' = ANY(b.scopes))))"
)


@query
async def my_appointments(
    actor: Actor, *, limit: int = 50, after: UUID | None = None
) -> list[AppointmentView]:
    """What the account's persons have, newest first; whoever of the family booked it."""
    rows = await fetch(
        f"{APPOINTMENT} {MINE} ORDER BY a.id DESC LIMIT $2",
        actor.id,
        min(max(limit, 1), PAGE_MAX),
        after,
    )
    return [_appointment(row) for row in rows]


@query
async def has_live_appointment(actor: Actor, *, person_id: UUID, booked_by: UUID | None = None) -> bool:
    """Whether a place is held, booked or being visited; of one account, or of anybody."""
    return await fetch_value(
        "SELECT EXISTS (SELECT FROM appointment WHERE person_id IN (SELECT jiuyi.same_person($1))"
        " AND status IN ('held', 'booked', 'arrived') AND ($2::uuid IS NULL OR account_id = $2))",
        person_id,
        booked_by,
    )


def _appointment(row: asyncpg.Record) -> AppointmentView:
    until = cancel_until(POLICY, visit_type=VisitType(row["visit_type"]), window_starts=row["starts_at"])
    return msgspec.convert({**dict(row), "cancel_until": until}, AppointmentView)


@query
async def visits_shown(actor: Actor, *, visitor_token: str) -> list[Visit]:
    """Today's visits of who was identified at this kiosk; a booking code shows its own, of any day."""
    shown = await shown_by(actor, visitor_token=visitor_token)
    now = await clock.now()
    rows = await fetch(
        "SELECT a.id AS appointment_id, a.status, a.held_on, a.starts_at, a.ends_at, a.seq_no, a.ticket_id,"
        " d.name AS department, s.name AS doctor, r.name AS room, z.name AS zone,"
        " c.status AS session_status, t.status AS ticket_status"
        " FROM appointment a JOIN clinic_session c ON c.id = a.session_id"
        " JOIN department d ON d.id = a.department_id JOIN staff s ON s.id = a.staff_id"
        " JOIN room r ON r.id = a.room_id JOIN zone z ON z.id = r.zone_id"
        " LEFT JOIN ticket t ON t.id = a.ticket_id"
        " WHERE a.person_id IN (SELECT jiuyi.same_person($1)) AND a.status IN ('held', 'booked', 'arrived')"
        " AND CASE WHEN $2::uuid IS NULL THEN a.held_on = $3 ELSE a.id = $2 END"
        " ORDER BY a.starts_at, a.id LIMIT $4",
        shown.person_id,
        shown.appointment_id,
        clock.local_day(now),
        VISITS_SHOWN_MAX,
    )
    return _visits(rows, now)


WAITS = (TicketStatus.WAITING, TicketStatus.ROOM_WAIT, TicketStatus.CALLED, TicketStatus.IN_CONSULT)
CHECKED_IN = WhyNot(code="checked_in", detail="您已报到，请留意大屏叫号。")


def _visits(rows: Sequence[asyncpg.Record], now: datetime) -> list[Visit]:
    visits: list[Visit] = []
    for row in rows:
        came = arrival(POLICY, held_on=row["held_on"], window_ends=row["ends_at"], now=now)
        wrong = refusal(AppointmentStatus(row["status"]), SessionStatus(row["session_status"]), came)
        why = None if wrong is None else WhyNot(code=wrong.code, detail=wrong.message)
        if wrong is None and row["status"] == AppointmentStatus.ARRIVED and row["ticket_status"] in WAITS:
            why = CHECKED_IN
        visits.append(
            Visit(
                appointment_id=row["appointment_id"],
                department=row["department"],
                doctor=row["doctor"],
                room=row["room"],
                zone=row["zone"],
                starts_at=row["starts_at"],
                ends_at=row["ends_at"],
                seq_no=row["seq_no"],
                status=AppointmentStatus(row["status"]),
                ticket_id=row["ticket_id"] if row["ticket_status"] in WAITS else None,
                can_check_in=why is None,
                why_not=why,
            )
        )
    return visits

"""Weekly templates become dated sessions with windows and numbers."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.database import action, execute_many, fetch, fetch_value, query
from app.kernel.ids import new_id
from app.outpatient.rules import POLICY, at, half_day_hours, opens_at, windows_of
from app.outpatient.tables import HalfDay, VisitType

NUMBERS_FREED_MAX = 2000


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """One weekly half-day of one doctor. `weekday` is ISO: Monday is 1."""

    campus_id: UUID
    department_id: UUID
    staff_id: UUID
    room_id: UUID
    weekday: int
    half_day: HalfDay
    visit_type: VisitType
    item_id: UUID
    valid_from: date
    window_minutes: int = 30
    window_capacity: int = 4
    valid_to: date | None = None


@action
async def make_templates(actor: Actor, *, templates: list[Template]) -> int:
    """Store templates; one that is known (same doctor, half-day, type and start) stays as it is."""
    before = await fetch_value("SELECT count(*) FROM schedule_template")
    await execute_many(
        "INSERT INTO schedule_template (id, campus_id, department_id, staff_id, room_id, weekday, half_day,"
        " visit_type, item_id, valid_from, window_minutes, window_capacity, valid_to)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
        " ON CONFLICT ON CONSTRAINT schedule_template_once DO NOTHING",
        [
            (
                new_id(),
                t.campus_id,
                t.department_id,
                t.staff_id,
                t.room_id,
                t.weekday,
                str(t.half_day),
                str(t.visit_type),
                t.item_id,
                t.valid_from,
                t.window_minutes,
                t.window_capacity,
                t.valid_to,
            )
            for t in templates
        ],
    )
    return await fetch_value("SELECT count(*) FROM schedule_template") - before


async def roll_sessions() -> int:
    """Make the missing sessions from today to 14 days ahead; how many were made. Safe to run at any time."""
    actor = system("scheduler")
    return sum([await roll_day(actor, held_on=day) for day in await days_to_make(actor)])


@query
async def days_to_make(actor: Actor) -> list[date]:
    """The days of the horizon that lack a session which a template asks for."""
    rows = await fetch(
        f"SELECT day::date AS held_on FROM generate_series($1::date, $2::date, interval '1 day') AS day"  # noqa: S608 - a constant
        f" WHERE EXISTS ({MISSING.format(day='day::date')}) ORDER BY day",
        await clock.today(),
        await clock.today() + timedelta(days=POLICY.days_made_ahead),
    )
    return [row["held_on"] for row in rows]


# A session once made is never made again, also not after it was stopped or moved to another room.
MISSING = (
    "SELECT t.* FROM schedule_template t WHERE t.weekday = extract(isodow FROM {day})"
    " AND t.valid_from <= {day} AND (t.valid_to IS NULL OR t.valid_to >= {day})"
    " AND NOT EXISTS (SELECT FROM clinic_session s WHERE s.department_id = t.department_id"
    " AND s.staff_id = t.staff_id AND s.held_on = {day} AND s.half_day = t.half_day"
    " AND s.visit_type = t.visit_type)"
)


@action
async def roll_day(actor: Actor, *, held_on: date) -> int:
    """Make one day's missing sessions, windows and numbers. Two at once take turns and make them once."""
    await fetch_value("SELECT pg_advisory_xact_lock(hashtext('outpatient.roll_sessions'))")
    templates = await fetch(MISSING.format(day="$1::date"), held_on)
    rows = _Rows()
    for template in templates:
        rows.add(template, held_on)
    await execute_many(SESSION, rows.sessions)
    await _insert_windows(rows.windows)
    await _insert_numbers(rows.numbers)
    return len(rows.sessions)


class _Rows:
    """The day's rows, gathered to be written set by set."""

    def __init__(self) -> None:
        self.sessions: list[tuple[Any, ...]] = []
        self.windows: list[tuple[Any, ...]] = []
        self.numbers: list[tuple[Any, ...]] = []

    def add(self, template: asyncpg.Record, held_on: date) -> None:
        session_id = new_id()
        begins, ends = half_day_hours(POLICY, HalfDay(template["half_day"]))
        starts_at, ends_at = at(held_on, begins), at(held_on, ends)
        opens = opens_at(POLICY, held_on)
        who = tuple(template[name] for name in ("campus_id", "department_id", "staff_id", "room_id"))
        what = tuple(template[name] for name in ("half_day", "visit_type", "item_id"))
        self.sessions.append((session_id, template["id"], *who, held_on, *what, opens, starts_at, ends_at))
        seq_no = 0
        for begin, end in windows_of(starts_at, ends_at, template["window_minutes"]):
            window_id = new_id()
            self.windows.append((window_id, session_id, begin, end, template["window_capacity"]))
            for _ in range(template["window_capacity"]):
                seq_no += 1
                self.numbers.append((new_id(), session_id, window_id, seq_no, opens))


SESSION = (
    "INSERT INTO clinic_session (id, template_id, campus_id, department_id, staff_id, room_id, held_on,"
    " half_day, visit_type, item_id, status, opens_at, starts_at, ends_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'open', $11, $12, $13)"
)


async def _insert_windows(rows: list[tuple[Any, ...]]) -> None:
    await fetch(
        "INSERT INTO session_window (id, session_id, starts_at, ends_at, capacity)"
        " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::smallint[])",
        *_columns(rows, 5),
    )


async def _insert_numbers(rows: list[tuple[Any, ...]]) -> None:
    await fetch(
        "INSERT INTO number (id, session_id, window_id, seq_no, status, free_at)"
        " SELECT a, b, c, d, 'unreleased', e FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::smallint[],"
        " $5::timestamptz[]) AS n(a, b, c, d, e)",
        *_columns(rows, 5),
    )


def _columns(rows: list[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[i] for row in rows] for i in range(width)]


async def free_numbers() -> int:
    """Move numbers whose instant has come to FREE. Only housekeeping: a claim looks at the instant itself."""
    return await _free_numbers(system("sweeper"))


@action
async def _free_numbers(actor: Actor) -> int:
    rows = await fetch(
        "UPDATE number SET status = 'free' WHERE id IN (SELECT id FROM number"
        " WHERE status IN ('unreleased', 'recycling') AND free_at <= jiuyi.now()"
        " LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING id",
        NUMBERS_FREED_MAX,
    )
    return len(rows)

"""`jiuyi import schedule FILE.csv`: weekly templates of clinics, from which dated sessions are made.

Columns: department_code, staff_no, room (its name within the department), weekday (1 Monday to 7),
half_day (am, pm), visit_type (ordinary, expert), item_code (the consultation fee of the price list);
optional: campus_code (needed where two campuses share a department code), window_minutes (30),
window_capacity (4), valid_from (YYYY-MM-DD, today), valid_to. A template that is known stays as it is.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TypeVar
from uuid import UUID

import msgspec

from app.catalog.tables import ItemKind
from app.imports.loading import Advance, Importer, Row, RowWrong, batches, choice
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import fetch
from app.outpatient.schedule import Template, make_templates
from app.outpatient.tables import HalfDay, VisitType

K = TypeVar("K")

WINDOW_MINUTES = range(5, 241)
WINDOW_CAPACITY = range(1, 101)
WEEKDAYS = range(1, 8)


class Known(msgspec.Struct, frozen=True):
    """What codes and names of the file may name, with their ids."""

    departments: dict[tuple[str, str], tuple[UUID, UUID]]  # campus, department -> department, campus
    staff: dict[str, UUID]
    rooms: dict[tuple[UUID, str], UUID]
    items: dict[str, UUID]
    today: date


async def prepare(actor: Actor) -> Known:
    departments = await fetch(
        "SELECT c.code AS campus, d.code, d.id, d.campus_id FROM department d"
        " JOIN campus c ON c.id = d.campus_id"
    )
    staff = await fetch("SELECT staff_no, id FROM staff WHERE active AND role = 'doctor'")
    rooms = await fetch("SELECT department_id, name, id FROM room")
    items = await fetch(
        "SELECT code, id FROM priced_item WHERE active AND kind = $1", str(ItemKind.CONSULTATION)
    )
    return Known(
        departments={(row["campus"], row["code"]): (row["id"], row["campus_id"]) for row in departments},
        staff={row["staff_no"]: row["id"] for row in staff},
        rooms={(row["department_id"], row["name"]): row["id"] for row in rooms},
        items={row["code"]: row["id"] for row in items},
        today=await clock.today(),
    )


def read(row: Row, known: Known) -> Template:
    department_id, campus_id = _department(row, known)
    valid_from = _day(row, "valid_from") or known.today
    valid_to = _day(row, "valid_to")
    if valid_to is not None and valid_to < valid_from:
        raise RowWrong("valid_to 早于 valid_from")
    return Template(
        campus_id=campus_id,
        department_id=department_id,
        staff_id=_named(known.staff, row["staff_no"], "staff_no 不是在职医生的工号"),
        room_id=_named(known.rooms, (department_id, row["room"]), "room 不是该科室的诊室"),
        weekday=_whole(row, "weekday", WEEKDAYS, 0),
        half_day=choice(row, "half_day", HalfDay),
        visit_type=choice(row, "visit_type", VisitType),
        item_id=_named(known.items, row["item_code"], "item_code 不是价目表中的诊察费"),
        valid_from=valid_from,
        valid_to=valid_to,
        window_minutes=_whole(row, "window_minutes", WINDOW_MINUTES, 30),
        window_capacity=_whole(row, "window_capacity", WINDOW_CAPACITY, 4),
    )


def _department(row: Row, known: Known) -> tuple[UUID, UUID]:
    code, campus = row["department_code"], row.get("campus_code", "")
    found = [ids for (of, name), ids in known.departments.items() if name == code and campus in ("", of)]
    if not found:
        raise RowWrong("department_code 没有对应的科室")
    if len(found) > 1:
        raise RowWrong("department_code 在多个院区存在，请填写 campus_code")
    return found[0]


def _named(known: Mapping[K, UUID], name: K, otherwise: str) -> UUID:
    if name not in known:
        raise RowWrong(otherwise)
    return known[name]


def _day(row: Row, name: str) -> date | None:
    try:
        return date.fromisoformat(row[name]) if row.get(name) else None
    except ValueError as error:
        raise RowWrong(f"{name} 不是日期，例如 2026-12-01") from error


def _whole(row: Row, name: str, allowed: range, otherwise: int) -> int:
    text = row.get(name) or str(otherwise)
    if not (text.isascii() and text.isdigit() and int(text) in allowed):
        raise RowWrong(f"{name} 须在 {allowed.start} 到 {allowed.stop - 1} 之间")
    return int(text)


def key(row: Template) -> object:
    """A doctor holds one clinic of a kind in a half-day, wherever it is."""
    return (row.staff_id, row.weekday, row.half_day, row.visit_type, row.valid_from)


async def write(actor: Actor, rows: Sequence[Template], advance: Advance) -> None:
    for batch in batches(rows):
        await make_templates(actor, templates=list(batch))
        advance(len(batch))


SCHEDULE = Importer(
    kind="schedule",
    required=("department_code", "staff_no", "room", "weekday", "half_day", "visit_type", "item_code"),
    optional=("campus_code", "window_minutes", "window_capacity", "valid_from", "valid_to"),
    prepare=prepare,
    read=read,
    key=key,
    write=write,
)

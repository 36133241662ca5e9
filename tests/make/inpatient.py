"""Rows of wards, their staff, terminals and patients, with sensible defaults."""

from datetime import date
from uuid import UUID

import msgspec

from app.kernel.actor import Actor, ActorKind, system
from app.kernel.crypto import blind_index, encrypt
from app.kernel.database import action, fetch_value
from app.kernel.ids import new_id
from app.patients.rules import check_character

TEST = system("test")


class WardMade(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    campus_id: UUID
    department_id: UUID


@action
async def _write(actor: Actor, sql: str, values: tuple[object, ...]) -> None:
    await fetch_value(sql, *values)


async def write(sql: str, *values: object) -> None:
    await _write(TEST, sql, values)


@action
async def _read(actor: Actor, sql: str, values: tuple[object, ...]) -> object:
    return await fetch_value(sql, *values)


async def read(sql: str, *values: object) -> object:
    """One value, as the system sees it."""
    return await _read(TEST, sql, values)


async def ward() -> WardMade:
    campus_id, department_id, ward_id = new_id(), new_id(), new_id()
    await write(
        "INSERT INTO campus (id, code, name) VALUES ($1, $2, '本部')", campus_id, str(campus_id)[-12:]
    )
    await write(
        "INSERT INTO department (id, campus_id, code, name, specialty_code, number_only)"
        " VALUES ($1, $2, 'D1', '呼吸内科', '03.01', false)",
        department_id,
        campus_id,
    )
    await write(
        "INSERT INTO ward (id, campus_id, department_id, code, name) VALUES ($1, $2, $3, 'W1', '一病区')",
        ward_id,
        campus_id,
        department_id,
    )
    return WardMade(id=ward_id, campus_id=campus_id, department_id=department_id)


async def bed(ward: WardMade, *, label: str = "01") -> UUID:
    bed_id = new_id()
    await write("INSERT INTO bed (id, ward_id, label) VALUES ($1, $2, $3)", bed_id, ward.id, label)
    return bed_id


async def staff(ward: WardMade, *, role: str = "nurse", in_ward: bool = True, name: str = "王芳") -> Actor:
    """A member of staff of the ward, or only of its department, as an actor."""
    staff_id = new_id()
    await write(
        "INSERT INTO staff (id, staff_no, name, role, title, department_id, ward_id, active)"
        " VALUES ($1, $2, $3, $4, '', $5, $6, true)",
        staff_id,
        str(staff_id)[-12:],
        name,
        role,
        ward.department_id,
        ward.id if in_ward else None,
    )
    return Actor(kind=ActorKind.STAFF, id=staff_id, channel="staff")


async def device(*, kind: str = "bedside", place_kind: str = "bed", place_id: UUID) -> Actor:
    device_id = new_id()
    await write(
        "INSERT INTO device (id, kind, label, place_kind, place_id, place_name, key_hash, auth_version)"
        " VALUES ($1, $2, '终端', $3, $4, '', '', 1)",
        device_id,
        kind,
        place_kind,
        place_id,
    )
    return Actor(kind=ActorKind.DEVICE, id=device_id, channel=kind)


def id_number(serial: int = 1) -> str:
    first = f"11010119900307{serial:03d}"
    return first + check_character(first)


async def person(*, name: str = "李小明", number: str | None = None) -> UUID:
    person_id = new_id()
    number = number or id_number(person_id.int % 1000)
    await write(
        "INSERT INTO person (id, name, sex, born_on, id_kind, id_number, id_number_index)"
        " VALUES ($1, $2, '1', $3, '01', $4, $5)",
        person_id,
        name,
        date(1990, 3, 7),
        encrypt(number, context=f"person.id_number.{person_id}"),
        blind_index(number, column="person.id_number"),
    )
    return person_id


async def item(*, name: str = "床位费", kind: str = "bed", yuan: int = 50) -> UUID:
    item_id = new_id()
    await write(
        "INSERT INTO priced_item (id, code, name, kind, unit, unit_price_micro_yuan, valid_from, active)"
        " VALUES ($1, $2, $3, $4, '日', $5, '2020-01-01', true)",
        item_id,
        str(item_id)[-12:],
        name,
        kind,
        yuan * 1_000_000,
    )
    return item_id

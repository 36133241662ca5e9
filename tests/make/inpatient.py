"""Rows of wards, their staff, terminals and patients, with sensible defaults."""

import itertools
from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from app.inpatient.admission import admit_patient
from app.kernel.actor import Actor, ActorKind, system
from app.kernel.crypto import blind_index, encrypt
from app.kernel.database import action, fetch, fetch_value
from app.kernel.ids import new_id
from app.patients.rules import check_character
from tests.make import identity

TEST = system("test")


@action
async def _rows(actor: Actor, sql: str, values: tuple[object, ...]) -> list[Any]:
    return await fetch(sql, *values)


async def rows(sql: str, *values: object) -> list[Any]:
    return await _rows(TEST, sql, values)


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
async def _read(actor: Actor, sql: str, values: tuple[object, ...]) -> Any:
    return await fetch_value(sql, *values)


async def read(sql: str, *values: object) -> Any:
    """One value, as the system sees it."""
    return await _read(TEST, sql, values)


async def new_ward() -> WardMade:
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
    return Actor(kind=ActorKind.STAFF, id=staff_id, channel="staff", role=role)


async def device(*, kind: str = "bedside", place_kind: str = "bed", place_id: UUID) -> Actor:
    device_id, _ = await identity.device(kind=kind, place_kind=place_kind, place_id=place_id)
    return Actor(kind=ActorKind.DEVICE, id=device_id, channel=kind, role=kind)


_serials = itertools.count(1)


def id_number() -> str:
    """A valid number that no other row of this run has."""
    serial = next(_serials)
    first = f"110101{1930 + serial // 900}0307{serial % 900:03d}"
    return first + check_character(first)


async def person(*, name: str = "李小明", number: str | None = None) -> UUID:
    person_id = new_id()
    number = number or id_number()
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


async def item(
    *, name: str = "床位费", kind: str = "bed", yuan: int = 50, micro_yuan: int | None = None
) -> UUID:
    item_id = new_id()
    await write(
        "INSERT INTO priced_item (id, code, name, kind, unit, unit_price_micro_yuan, valid_from, active)"
        " VALUES ($1, $2, $3, $4, '日', $5, '2020-01-01', true)",
        item_id,
        str(item_id)[-12:],
        name,
        kind,
        micro_yuan or yuan * 1_000_000,
    )
    return item_id


async def ward_rate(ward: WardMade, *, item_id: UUID) -> None:
    await write(
        "INSERT INTO ward_rate (id, ward_id, item_id) VALUES ($1, $2, $3)", new_id(), ward.id, item_id
    )


class StayMade(msgspec.Struct, frozen=True, kw_only=True):
    """A patient in a bed with a terminal, and the nurse who admitted them."""

    ward: WardMade
    bed_id: UUID
    nurse: Actor
    person_id: UUID
    id_number: str
    admission_id: UUID
    encounter_id: UUID
    terminal: Actor


async def stay(
    *,
    ward: WardMade | None = None,
    nurse: Actor | None = None,
    label: str = "01",
    name: str = "李小明",
) -> StayMade:
    ward = ward or await new_ward()
    nurse = nurse or await staff(ward)
    bed_id = await bed(ward, label=label)
    number = id_number()
    person_id = await person(name=name, number=number)
    admission_id = await admit_patient(nurse, person_id=person_id, bed_id=bed_id, nurse_id=nurse.id)
    encounter_id = await read("SELECT encounter_id FROM admission WHERE id = $1", admission_id)
    return StayMade(
        ward=ward,
        bed_id=bed_id,
        nurse=nurse,
        person_id=person_id,
        id_number=number,
        admission_id=admission_id,
        encounter_id=encounter_id,
        terminal=await device(place_id=bed_id),
    )


async def bearer(actor: Actor, *, role: str | None = None) -> dict[str, str]:
    """The header of a login of this member of staff or device."""
    role = role or actor.role
    if actor.kind is ActorKind.STAFF:
        await write(
            "INSERT INTO staff_login (staff_id, login_name, password_hash, role, auth_version, failures)"
            " VALUES ($1, $2, '', $3, 1, 0) ON CONFLICT DO NOTHING",
            actor.id,
            str(actor.id),
            role,
        )
    assert actor.id is not None
    token = await identity.token(actor.kind, actor.id, channel=actor.channel, role=role)
    return {"Authorization": identity.bearer(token)["Authorization"]}


async def move_clock(*, days: int = 0, hours: int = 0, seconds: int = 0) -> None:
    """Business time goes forward."""
    await write(
        "UPDATE clock_offset SET offset_by = offset_by + make_interval(days => $1, hours => $2, secs => $3)",
        days,
        hours,
        seconds,
    )


async def set_clock(local: str) -> None:
    """Business time as it reads in Shanghai, e.g. "2031-03-02 09:00"."""
    await write(
        "UPDATE clock_offset SET offset_by = ($1::text::timestamp AT TIME ZONE 'Asia/Shanghai') - now()",
        local,
    )

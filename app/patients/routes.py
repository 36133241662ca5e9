"""A person at the desk: who it is, and what must not be given."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.kernel.actor import Actor
from app.kernel.idempotency import Command, once
from app.patients.allergies import record_allergy
from app.patients.break_glass import open_until
from app.patients.queries import AllergyView, allergies_of, person_view
from app.patients.unmasking import (
    REASON_LENGTH_MAX,
    PlainField,
    PlainNumbers,
    masked_numbers,
    plain_numbers,
    unmask_person,
)


class PatientAtDesk(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    name: str
    sex: str
    born_on: date
    age: int
    masked_id_number: str | None
    masked_phone: str | None
    masked_address: str | None
    allergies: list[AllergyView]
    break_glass_until: datetime | None  # set where only a break-glass of this reader opens the person


class RecordAllergy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`substance` is an ingredient code of the drug catalog."""

    substance: str
    substance_name: str
    reaction: str = ""


class Unmask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`reason` is for who reviews it later: why the masked number did not do."""

    fields: Annotated[set[PlainField], msgspec.Meta(min_length=1)]
    reason: Annotated[str, msgspec.Meta(max_length=REASON_LENGTH_MAX)]


@get("/persons/{person_id:uuid}", permission="person.read")
async def read_person(actor: NamedDependency[Actor], person_id: FromPath[UUID]) -> PatientAtDesk:
    person = await person_view(actor, person_id=person_id)
    numbers = await masked_numbers(actor, person_id=person_id)
    return PatientAtDesk(
        id=person.id,
        name=person.name,
        sex=person.sex,
        born_on=person.born_on,
        age=person.age,
        masked_id_number=numbers.masked_id_number,
        masked_phone=numbers.masked_phone,
        masked_address=numbers.masked_address,
        allergies=await allergies_of(actor, person_id=person_id),
        break_glass_until=await open_until(actor, person_id=person_id),
    )


@post(
    "/persons/{person_id:uuid}/allergies",
    status_code=201,
    permission="allergy.record",
)
async def add_allergy(
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
    person_id: FromPath[UUID],
    data: JSONBody[RecordAllergy],
) -> PatientAtDesk:
    await once(
        asked,
        record_allergy,
        actor,
        person_id=person_id,
        substance=data.substance,
        substance_name=data.substance_name,
        reaction=data.reaction,
    )
    return await read_person.fn(actor, person_id)


@post(
    "/persons/{person_id:uuid}/unmask",
    status_code=200,
    permission="person.unmask",
)
async def unmask(
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
    person_id: FromPath[UUID],
    data: JSONBody[Unmask],
) -> PlainNumbers:
    """The plain numbers, once it is written down who wanted which of them and why."""
    await once(
        asked, unmask_person, actor, person_id=person_id, fields=sorted(data.fields), reason=data.reason
    )
    return await plain_numbers(actor, person_id=person_id, fields=data.fields)


router = Router(path="/api/staff/v1", route_handlers=[read_person, add_allergy, unmask])

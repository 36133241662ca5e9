"""A person at the desk: who it is, and what must not be given."""

from datetime import date, datetime
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.identity.signed_in import require_staff
from app.kernel.actor import Actor
from app.kernel.idempotency import Command, once
from app.patients.allergies import record_allergy
from app.patients.break_glass import open_until
from app.patients.queries import AllergyView, allergies_of, person_view


class PatientAtDesk(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    name: str
    sex: str
    born_on: date
    age: int
    allergies: list[AllergyView]
    break_glass_until: datetime | None  # set where only a break-glass of this reader opens the person


class RecordAllergy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`substance` is an ingredient code of the drug catalog."""

    substance: str
    substance_name: str
    reaction: str = ""


@get("/persons/{person_id:uuid}")
async def read_person(actor: NamedDependency[Actor], person_id: FromPath[UUID]) -> PatientAtDesk:
    person = await person_view(actor, person_id=person_id)
    return PatientAtDesk(
        id=person.id,
        name=person.name,
        sex=person.sex,
        born_on=person.born_on,
        age=person.age,
        allergies=await allergies_of(actor, person_id=person_id),
        break_glass_until=await open_until(actor, person_id=person_id),
    )


@post("/persons/{person_id:uuid}/allergies", status_code=201, guards=[require_staff("doctor", "nurse")])
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


router = Router(path="/api/staff/v1", guards=[require_staff()], route_handlers=[read_person, add_allergy])

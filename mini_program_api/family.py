"""Visit persons (就诊人): oneself and the family."""

from datetime import date
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.kernel.actor import Actor
from app.kernel.idempotency import Command, once
from app.patients.binding import Relation, bind_person
from app.patients.queries import BoundPerson, bound_persons
from app.patients.registering import NoIdReason, PersonForm, Sex


class BindPerson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    sex: Sex
    born_on: date
    relation: Relation
    id_number: str | None = None
    no_id_reason: NoIdReason | None = None
    phone: str | None = None


class PersonReply(msgspec.Struct, frozen=True, kw_only=True):
    """A visit person as the account's owner sees it; numbers are masked even here."""

    id: UUID
    name: str
    sex: str
    born_on: date
    age: int
    relation: str
    guardian: bool
    masked_id_number: str | None
    masked_phone: str | None


class Persons(msgspec.Struct, frozen=True):
    items: list[PersonReply]


def reply(person: BoundPerson) -> PersonReply:
    return PersonReply(
        id=person.id,
        name=person.name,
        sex=person.sex,
        born_on=person.born_on,
        age=person.age,
        relation=person.relation,
        guardian=person.guardian,
        masked_id_number=person.masked_id_number,
        masked_phone=person.masked_phone,
    )


@get("/persons", permission="binding.read")
async def list_persons(actor: NamedDependency[Actor]) -> Persons:
    """Bounded by the number of persons an account may bind."""
    return Persons([reply(person) for person in await bound_persons(actor)])


@post("/persons", permission="binding.add", status_code=201)
async def add_person(
    data: JSONBody[BindPerson], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> PersonReply:
    form = PersonForm(
        name=data.name,
        sex=data.sex,
        born_on=data.born_on,
        id_number=data.id_number,
        no_id_reason=data.no_id_reason,
        phone=data.phone,
    )
    person_id = await once(asked, bind_person, actor, form=form, relation=data.relation)
    return next(reply(person) for person in await bound_persons(actor) if person.id == person_id)


router = Router(path="/api/mini-program/v1", route_handlers=[list_persons, add_person])

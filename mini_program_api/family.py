"""Visit persons (就诊人): oneself and the family."""

from datetime import date, datetime
from typing import Annotated, ClassVar
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.billing.queries import has_unpaid_bill
from app.kernel.actor import Actor
from app.kernel.database import action
from app.kernel.errors import DomainError
from app.kernel.idempotency import Command, once
from app.outpatient.queries import has_live_appointment
from app.patients.binding import Relation, bind_person, unbind_person
from app.patients.consents import ConsentCode, give_consent
from app.patients.proxies import scopes_of_others
from app.patients.queries import BoundPerson, bound_persons
from app.patients.registering import NoIdReason, PersonForm, Sex


class LiveAppointments(DomainError):
    code = "live_appointments"
    message = "该就诊人还有未完成的预约，请先就诊或取消预约，再移除就诊人。"


class UnpaidBills(DomainError):
    code = "unpaid_bills"
    message = "该就诊人还有未缴的费用，且没有其他账号可以代缴，请先缴清或取消，再移除就诊人。"


class Agreed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One document that was read and agreed to."""

    code: ConsentCode
    version: int


class BindPerson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    sex: Sex
    born_on: date
    relation: Relation
    id_number: str | None = None
    no_id_reason: NoIdReason | None = None
    phone: str | None = None
    address: str | None = None
    consents: Annotated[list[Agreed], msgspec.Meta(max_length=10)] = []


class PersonReply(msgspec.Struct, frozen=True, kw_only=True):
    """A visit person as the account's owner sees it; numbers and address are masked even here.

    Results open once `scopes` has read and `consents_missing` is empty.
    """

    names_person: ClassVar[str] = "id"
    id: UUID
    name: str
    sex: str
    born_on: date
    age: int
    relation: str
    guardian: bool
    masked_id_number: str | None
    masked_phone: str | None
    masked_address: str | None
    proof: str
    scopes: list[str]
    valid_to: datetime | None
    consents_missing: list[str]


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
        masked_address=person.masked_address,
        proof=person.proof,
        scopes=person.scopes,
        valid_to=person.valid_to,
        consents_missing=person.consents_missing,
    )


@get("/persons", permission="person.list")
async def list_persons(actor: NamedDependency[Actor]) -> Persons:
    """Bounded by the number of persons an account may bind."""
    return Persons([reply(person) for person in await bound_persons(actor)])


@post("/persons", status_code=201, permission="person.bind")
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
        address=data.address,
    )
    person_id = await once(
        asked, bind_and_agree, actor, form=form, relation=data.relation, consents=data.consents
    )
    return next(reply(person) for person in await bound_persons(actor) if person.id == person_id)


@action
async def bind_and_agree(
    actor: Actor, *, form: PersonForm, relation: Relation, consents: list[Agreed]
) -> UUID:
    """Both or neither. Without consents the person can be booked and paid for; results stay closed."""
    person_id = await bind_person(actor, form=form, relation=relation)
    for agreed in consents:
        await give_consent(actor, person_id=person_id, code=agreed.code, version=agreed.version)
    return person_id


@post("/persons/{person_id:uuid}/unbind", status_code=204, permission="person.unbind")
async def remove_person(
    person_id: FromPath[UUID], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> None:
    await once(asked, unbind_and_orphan_nothing, actor, person_id=person_id)


@action
async def unbind_and_orphan_nothing(actor: Actor, *, person_id: UUID) -> UUID:
    """Whoever booked sees it through; a place or a bill needs somebody left who may act on it."""
    left = await scopes_of_others(actor, person_id=person_id)
    booked_by = actor.id if "book" in left else None
    if await has_live_appointment(actor, person_id=person_id, booked_by=booked_by):
        raise LiveAppointments(person_id=person_id)
    if "pay" not in left and await has_unpaid_bill(actor, person_id=person_id):
        raise UnpaidBills(person_id=person_id)
    return await unbind_person(actor, person_id=person_id)


router = Router(
    path="/api/mini-program/v1",
    route_handlers=[list_persons, add_person, remove_person],
)

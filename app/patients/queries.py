"""Persons as others may read them."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

import asyncpg
import msgspec

from app.kernel import clock
from app.kernel.actor import Actor, ActorKind
from app.kernel.crypto import blind_indexes, decrypt
from app.kernel.database import fetch, fetch_one, fetch_value, query
from app.patients.access import PersonNotFound, require_may_see
from app.patients.masking import FIELD_KINDS, Audience, mask, name_for
from app.patients.rules import age_on
from app.patients.tables import Scope

BINDINGS_SHOWN_MAX = 20


class PersonView(msgspec.Struct, frozen=True, kw_only=True):
    names_person: ClassVar[str] = "id"
    id: UUID
    name: str
    masked_name: str
    sex: str
    born_on: date
    age: int


class OnFile(msgspec.Struct, frozen=True):
    """Whose ID number it is, and the name and phone (by its index) that the row bears."""

    person_id: UUID
    name: str
    phone_index: str | None


class BoundPerson(msgspec.Struct, frozen=True, kw_only=True):
    """A visit person of the asking account."""

    id: UUID
    name: str
    sex: str
    born_on: date
    age: int
    masked_id_number: str | None
    masked_phone: str | None
    masked_address: str | None
    relation: str
    guardian: bool
    proof: str
    scopes: list[str]  # what the binding lets the account do now
    valid_to: datetime | None
    consents_missing: list[str]  # what nobody has agreed to yet, so that results stay closed


class AllergyView(msgspec.Struct, frozen=True, kw_only=True):
    substance: str
    substance_name: str
    reaction: str


@query
async def person_view(actor: Actor, *, person_id: UUID) -> PersonView:
    """The person for who may see them; a duplicate's id answers with its survivor."""
    await require_may_see(actor, person_id=person_id)
    row = await fetch_one(
        "SELECT id, name, sex, born_on FROM person WHERE id = (SELECT jiuyi.same_person($1) LIMIT 1)",
        person_id,
    )
    if row is None:
        raise PersonNotFound(person_id=person_id)
    return PersonView(
        id=row["id"],
        name=row["name"],
        masked_name=name_for(Audience.DISPLAY, row["name"]),
        sex=row["sex"],
        born_on=row["born_on"],
        age=age_on(await clock.today(), row["born_on"]),
    )


@query
async def masked_name(actor: Actor, *, person_id: UUID) -> str:
    """The name as a public display may show it. Asks for no permission: it tells nobody who it is."""
    name = await fetch_value("SELECT jiuyi.name_of($1)", person_id)
    if name is None:
        raise PersonNotFound(person_id=person_id)
    return name_for(Audience.DISPLAY, name)


@query
async def find_by_id_number(actor: Actor, *, id_number: str) -> UUID | None:
    """The person with this ID number, whoever may then see them. Not for phones: it would tell strangers."""
    known = await registered_as(actor, id_number=id_number)
    return None if known is None else known.person_id


@query
async def registered_as(actor: Actor, *, id_number: str) -> OnFile | None:
    """The same with the registered name, for who states both."""
    indexes = blind_indexes(id_number.strip().upper(), column="person.id_number")
    row = await fetch_one("SELECT id, name, phone_index FROM jiuyi.person_of_number($1)", indexes)
    return None if row is None else OnFile(row["id"], row["name"], row["phone_index"])


@query
async def id_number_ends_with(actor: Actor, *, person_id: UUID, ending: str) -> bool:
    """Does the person's ID number end so? For terminals that prove presence; the number stays here."""
    sealed = await fetch_value("SELECT jiuyi.sealed_id_number_of($1)", person_id)
    if sealed is None:
        return False
    number = decrypt(sealed, context=f"person.id_number.{person_id}")
    return len(ending) >= 4 and number.endswith(ending.upper())


@query
async def bound_persons(actor: Actor) -> list[BoundPerson]:
    """Whom the asking account may act for."""
    if actor.kind is not ActorKind.ACCOUNT:
        return []
    rows = await fetch(
        "SELECT p.id, p.name, p.sex, p.born_on, p.id_number, p.phone, p.address, b.relation,"
        " b.guardian, b.proof,"
        " jiuyi.live_scopes(b.scopes, b.read_until) AS scopes,"
        " b.valid_to, ARRAY(SELECT jiuyi.consents_missing(p.id) ORDER BY 1) AS consents_missing"
        " FROM binding b JOIN person p ON p.id = b.person_id"
        " WHERE b.account_id = $1 AND b.valid_from <= jiuyi.now()"
        " AND (b.valid_to IS NULL OR b.valid_to > jiuyi.now()) ORDER BY b.valid_from, b.id LIMIT $2",
        actor.id,
        BINDINGS_SHOWN_MAX,
    )
    today = await clock.today()
    return [
        BoundPerson(
            id=row["id"],
            name=name_for(Audience.OWNER, row["name"]),
            sex=row["sex"],
            born_on=row["born_on"],
            age=age_on(today, row["born_on"]),
            masked_id_number=masked(row, "id_number"),
            masked_phone=masked(row, "phone"),
            masked_address=masked(row, "address"),
            relation=row["relation"],
            guardian=row["guardian"],
            proof=row["proof"],
            scopes=list(row["scopes"]),
            valid_to=row["valid_to"],
            consents_missing=list(row["consents_missing"]),
        )
        for row in rows
    ]


@query
async def accounts_of(actor: Actor, *, person_id: UUID, scope: Scope = Scope.READ) -> list[UUID]:
    """The accounts that news about the person go to now: those with the scope, of what the binding is worth.

    Who only knows a name and a number looks at what it booked; nobody tells it anything.
    """
    rows = await fetch(
        "SELECT account_id FROM binding WHERE person_id IN (SELECT jiuyi.same_person($1))"
        " AND $2 = ANY(scopes) AND valid_from <= jiuyi.now()"
        " AND (valid_to IS NULL OR valid_to > jiuyi.now())"
        " AND CASE WHEN $2 = 'read' THEN jiuyi.account_reads(account_id, $1)"
        "   ELSE jiuyi.account_follows(account_id, $1) END ORDER BY account_id LIMIT $3",
        person_id,
        str(scope),
        BINDINGS_SHOWN_MAX,
    )
    return [row["account_id"] for row in rows]


@query
async def allergies_of(actor: Actor, *, person_id: UUID) -> list[AllergyView]:
    await require_may_see(actor, person_id=person_id)
    rows = await fetch(
        "SELECT substance, substance_name, reaction FROM allergy"
        " WHERE person_id IN (SELECT jiuyi.same_person($1)) ORDER BY substance",
        person_id,
    )
    return [AllergyView(**dict(row)) for row in rows]


def masked(row: asyncpg.Record, column: str) -> str | None:
    """An encrypted column as its reader sees it by default."""
    plain = opened(row, column)
    return None if plain is None else mask(FIELD_KINDS[column], plain)


def opened(row: asyncpg.Record, column: str) -> str | None:
    """An encrypted column, in plain, of a `person` row that was read with its id."""
    if row[column] is None:
        return None
    return decrypt(row[column], context=f"person.{column}.{row['id']}")

"""What may really go, or be put right, when a person asks: contact data, who acts for them, their consents.

The callers have decided that it is to be. What a row was before, the record versions keep for the audit.
"""

from uuid import UUID

from app.kernel.actor import Actor
from app.kernel.crypto import blind_index, encrypt
from app.kernel.database import action, fetch, fetch_value
from app.kernel.events import emit
from app.patients.access import PersonNotFound
from app.patients.binding import end_binding, lock_person
from app.patients.events import ConsentWithdrawn
from app.patients.registering import NAME_LENGTH_MAX, PHONE, NameMalformed, PhoneInvalid
from app.patients.rules import clean_name


@action
async def forget_phone(actor: Actor, *, person_id: UUID) -> int:
    """The number on file is gone from all rows of the person; how many had one."""
    rows = await fetch(
        "UPDATE person SET phone = NULL, phone_index = NULL"
        " WHERE id IN (SELECT jiuyi.same_person($1)) AND phone IS NOT NULL RETURNING id",
        person_id,
    )
    return len(rows)


@action
async def correct_phone(actor: Actor, *, person_id: UUID, phone: str) -> None:
    if not PHONE.fullmatch(phone):
        raise PhoneInvalid
    survivor = await _survivor(person_id)
    await fetch_value(
        "UPDATE person SET phone = $2, phone_index = $3 WHERE id = $1",
        survivor,
        encrypt(phone, context=f"person.phone.{survivor}"),
        blind_index(phone, column="person.phone"),
    )


@action
async def correct_name(actor: Actor, *, person_id: UUID, name: str) -> None:
    name = clean_name(name)
    if not 0 < len(name) <= NAME_LENGTH_MAX:
        raise NameMalformed
    await fetch_value("UPDATE person SET name = $2 WHERE id = $1", await _survivor(person_id), name)


async def _survivor(person_id: UUID) -> UUID:
    survivor = await fetch_value("SELECT jiuyi.same_person($1) LIMIT 1", person_id)
    if survivor is None:
        raise PersonNotFound(person_id=person_id)
    return survivor


@action
async def end_all_bindings(actor: Actor, *, person_id: UUID) -> int:
    """Nobody acts for the person any more, and no invitation can be taken up. How many ended."""
    await lock_person(person_id)
    withdrawn = await fetch(
        "UPDATE invitation SET withdrawn_at = jiuyi.now() WHERE person_id IN (SELECT jiuyi.same_person($1))"
        " AND accepted_at IS NULL AND withdrawn_at IS NULL RETURNING id",
        person_id,
    )
    bound = await fetch(
        "SELECT account_id, person_id FROM binding WHERE person_id IN (SELECT jiuyi.same_person($1))"
        " AND (valid_to IS NULL OR valid_to > jiuyi.now()) ORDER BY id",
        person_id,
    )
    for row in bound:
        await end_binding(actor, account_id=row["account_id"], person_id=row["person_id"])
    return len(withdrawn) + len(bound)


@action
async def end_all_consents(actor: Actor, *, person_id: UUID, asked_by: UUID | None) -> int:
    """Every agreement is taken back; that it was given stays, as the proof of what was lawful then."""
    rows = await fetch(
        "UPDATE consent SET withdrawn_at = jiuyi.now(), withdrawn_by = $2"
        " WHERE person_id IN (SELECT jiuyi.same_person($1)) AND withdrawn_at IS NULL RETURNING id, person_id",
        person_id,
        asked_by,
    )
    for row in rows:
        await emit(actor, ConsentWithdrawn(person_id=row["person_id"], consent_id=row["id"]))
    return len(rows)

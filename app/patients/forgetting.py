"""What may really go, or be put right, when a person asks: contact data, who acts for them, their consents.

The callers have decided that it is to be. What a row was before, the record versions keep for the audit.
"""

from uuid import UUID

import msgspec

from app.kernel.actor import Actor
from app.kernel.crypto import blind_index, encrypt
from app.kernel.database import action, fetch, fetch_value
from app.kernel.events import emit
from app.patients.access import PersonNotFound
from app.patients.binding import end_binding, lock_person
from app.patients.events import ConsentWithdrawn
from app.patients.registering import (
    ADDRESS_LENGTH_MAX,
    NAME_LENGTH_MAX,
    PHONE,
    AddressInvalid,
    NameMalformed,
    PhoneInvalid,
)
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
async def forget_address(actor: Actor, *, person_id: UUID) -> int:
    """The same for the address."""
    rows = await fetch(
        "UPDATE person SET address = NULL"
        " WHERE id IN (SELECT jiuyi.same_person($1)) AND address IS NOT NULL RETURNING id",
        person_id,
    )
    return len(rows)


class Contact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is right of a person. What is left out stays as it is."""

    name: str | None = None
    phone: str | None = None
    address: str | None = None


def checked(contact: Contact) -> Contact:
    """In the form in which it is stored, or the refusal that says what is wrong."""
    name = None if contact.name is None else clean_name(contact.name)
    if name is not None and not 0 < len(name) <= NAME_LENGTH_MAX:
        raise NameMalformed
    if contact.phone is not None and not PHONE.fullmatch(contact.phone):
        raise PhoneInvalid
    address = None if contact.address is None else contact.address.strip()
    if address is not None and not 0 < len(address) <= ADDRESS_LENGTH_MAX:
        raise AddressInvalid
    return Contact(name=name, phone=contact.phone, address=address)


@action
async def correct_contact(actor: Actor, *, person_id: UUID, contact: Contact) -> None:
    """Put right what is named, in the row that speaks for the person."""
    right, survivor = checked(contact), await _survivor(person_id)
    await fetch_value(
        "UPDATE person SET name = coalesce($2, name), phone = coalesce($3, phone),"
        " phone_index = coalesce($4, phone_index), address = coalesce($5, address) WHERE id = $1",
        survivor,
        right.name,
        right.phone and encrypt(right.phone, context=f"person.phone.{survivor}"),
        right.phone and blind_index(right.phone, column="person.phone"),
        right.address and encrypt(right.address, context=f"person.address.{survivor}"),
    )


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

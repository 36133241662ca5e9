"""A person's numbers and address: masked for everybody who may see the person, in plain for who says why."""

from collections.abc import Collection, Sequence
from enum import StrEnum
from uuid import UUID

import asyncpg
import msgspec

from app.kernel.actor import Actor
from app.kernel.database import action, fetch_one, query
from app.kernel.errors import Invalid
from app.kernel.events import emit
from app.patients.access import PersonNotFound, require_may_see
from app.patients.events import PersonUnmasked
from app.patients.masking import mask_text
from app.patients.queries import masked, opened

REASON_LENGTH_MIN = 2
REASON_LENGTH_MAX = 200


class PlainField(StrEnum):
    """What can be read in plain."""

    ID_NUMBER = "id_number"
    PHONE = "phone"
    ADDRESS = "address"


class ReasonNeeded(Invalid):
    code = "reason_needed"
    message = "请填写查看完整信息的原因（至少 2 个字），该操作会被记录。"


class MaskedNumbers(msgspec.Struct, frozen=True, kw_only=True):
    masked_id_number: str | None
    masked_phone: str | None
    masked_address: str | None


class PlainNumbers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Only what was asked for; what the person has not told is left out, too."""

    person_id: UUID
    id_number: str | None = None
    phone: str | None = None
    address: str | None = None


@query
async def masked_numbers(actor: Actor, *, person_id: UUID) -> MaskedNumbers:
    row = await _numbers(actor, person_id)
    return MaskedNumbers(
        masked_id_number=masked(row, "id_number"),
        masked_phone=masked(row, "phone"),
        masked_address=masked(row, "address"),
    )


@action
async def unmask_person(actor: Actor, *, person_id: UUID, fields: Sequence[PlainField], reason: str) -> UUID:
    """Write down who wants to read which fields and why; `plain_numbers` then tells them."""
    await require_may_see(actor, person_id=person_id)
    reason = reason.strip()
    if len(reason) < REASON_LENGTH_MIN:
        raise ReasonNeeded
    # Who reviews the reasons need not learn the number from one of them.
    told = PersonUnmasked(person_id=person_id, fields=[str(f) for f in fields], reason=mask_text(reason))
    await emit(actor, told)
    return person_id


@query
async def plain_numbers(actor: Actor, *, person_id: UUID, fields: Collection[PlainField]) -> PlainNumbers:
    """For a route that has just run `unmask_person` for the same fields."""
    row = await _numbers(actor, person_id)
    return PlainNumbers(person_id=person_id, **{str(field): opened(row, field) for field in fields})


async def _numbers(actor: Actor, person_id: UUID) -> asyncpg.Record:
    await require_may_see(actor, person_id=person_id)
    row = await fetch_one(
        "SELECT id, id_number, phone, address FROM person WHERE id = (SELECT jiuyi.same_person($1) LIMIT 1)",
        person_id,
    )
    if row is None:
        raise PersonNotFound(person_id=person_id)
    return row

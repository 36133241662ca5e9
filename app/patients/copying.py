"""A patient's copy of their own data (PIPL 45): a section for each kind of row, beside its tables."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.kernel.actor import Actor
from app.kernel.database import fetch, query
from app.patients.access import require_may_see, require_speaks_for

PAGE = 500


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """`sql` selects the rows of the persons $1 with an `id`; who reads it adds page and order.

    It selects nothing of anybody else: no account, no payer, no relative's name. `fields` are its columns
    with their Chinese names, `codes` what the values of a coded column mean, `tables` what it copies.
    """

    name: str
    title: str
    tables: tuple[str, ...]
    sql: str
    fields: Mapping[str, str]
    codes: Mapping[str, Mapping[Any, str]] = {}
    shape: Callable[[asyncpg.Record], Mapping[str, Any]] = dict


@query
async def copied(
    actor: Actor, *, person_id: UUID, section: Section, after: UUID | None
) -> list[dict[str, Any]]:
    """The next PAGE rows of one section, for who speaks for the person and may read about them."""
    await require_speaks_for(actor, person_id=person_id)
    await require_may_see(actor, person_id=person_id)
    rows = await fetch(
        f"SELECT * FROM ({section.sql}) AS part"  # noqa: S608 - our own sections
        " WHERE $2::uuid IS NULL OR id > $2 ORDER BY id LIMIT $3",
        await _same(person_id),
        after,
        PAGE,
    )
    return [_fields(section, section.shape(row)) for row in rows]


async def _same(person_id: UUID) -> list[UUID]:
    return [row["same"] for row in await fetch("SELECT jiuyi.same_person($1) AS same", person_id)]


def _fields(section: Section, row: Mapping[str, Any]) -> dict[str, Any]:
    """What the section names and nothing else, in its order."""
    return {name: row[name] for name in section.fields}

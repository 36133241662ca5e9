"""A copy of one's own data: asked for, written down, and made anew each time it is fetched within a day."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch_one, fetch_value, query
from app.kernel.errors import DomainError, NotFound
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.patients.access import require_may_see, require_speaks_for
from app.patients.binding import lock_person
from app.patients.copying import Section, copied
from app.rights.accesses import PAGE_MAX, AccessLine, accesses
from app.rights.events import ExportAsked

VALID_HOURS = 24
DAY_MAX = 3
ROWS_MAX = 20_000  # of one section
SCHEMA = "jiuyi-copy-1"


class TooManyExports(DomainError):
    code = "too_many_exports"
    message = "24 小时内最多申请 3 次资料副本，请稍后再试，或打开之前的副本。"


class ExportNotFound(NotFound):
    code = "export_not_found"
    message = "没有找到这份资料副本，或已超过 24 小时，请重新申请。"


class ExportView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    person_id: UUID
    asked_at: datetime
    expires_at: datetime


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """`fields` names the columns in Chinese, `codes` says what coded values mean. `complete` as a rule."""

    name: str
    title: str
    fields: dict[str, str]
    codes: dict[str, dict[str, str]]
    rows: list[dict[str, Any]]
    complete: bool


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """Everything, in one document. docs/copy.md describes it field by field."""

    schema: str
    id: UUID
    person_id: UUID
    made_at: datetime
    parts: list[Part]
    accesses: list[AccessLine]


@action
async def ask_for_copy(actor: Actor, *, person_id: UUID) -> UUID:
    """For who speaks for the person. Needs the same consent as reading results on this phone."""
    await require_speaks_for(actor, person_id=person_id)
    await require_may_see(actor, person_id=person_id)
    await lock_person(person_id)
    taken = await fetch_value(
        "SELECT count(*) FROM data_export WHERE person_id IN (SELECT jiuyi.same_person($1))"
        " AND account_id = $2 AND asked_at > jiuyi.now() - interval '24 hours'",
        person_id,
        actor.id,
    )
    if taken >= DAY_MAX:
        raise TooManyExports(person_id=person_id)
    export_id = new_id()
    assert actor.id is not None
    await fetch_value(
        "INSERT INTO data_export (id, person_id, account_id, asked_at, expires_at)"
        " VALUES ($1, $2, $3, jiuyi.now(), jiuyi.now() + $4::interval)",
        export_id,
        person_id,
        actor.id,
        timedelta(hours=VALID_HOURS),
    )
    await emit(actor, ExportAsked(data_export_id=export_id, person_id=person_id, account_id=actor.id))
    return export_id


@query
async def export_view(actor: Actor, *, export_id: UUID) -> ExportView:
    row = await fetch_one(
        "SELECT id, person_id, asked_at, expires_at FROM data_export"
        " WHERE id = $1 AND account_id = $2 AND expires_at > jiuyi.now()",
        export_id,
        actor.id,
    )
    if row is None:
        raise ExportNotFound(export_id=export_id)
    return ExportView(**dict(row))


async def make_copy(actor: Actor, *, export_id: UUID, sections: Sequence[Section]) -> Copy:
    """The document as of now. Each page is a transaction of its own and asks anew: a right that ends
    meanwhile ends the copy, and no connection is held for all of it.
    """
    asked = await export_view(actor, export_id=export_id)
    return Copy(
        schema=SCHEMA,
        id=export_id,
        person_id=asked.person_id,
        made_at=clock.wall(),
        parts=[await _part(actor, asked.person_id, section) for section in sections],
        accesses=await _accesses(actor, asked.person_id),
    )


async def _part(actor: Actor, person_id: UUID, section: Section) -> Part:
    rows: list[dict[str, Any]] = []
    page = await copied(actor, person_id=person_id, section=section, after=None)
    while page and len(rows) < ROWS_MAX:
        rows += page
        page = await copied(actor, person_id=person_id, section=section, after=page[-1]["id"])
    return Part(
        name=section.name,
        title=section.title,
        fields=dict(section.fields),
        codes={
            name: {str(code): word for code, word in codes.items()} for name, codes in section.codes.items()
        },
        rows=rows,
        complete=not page,
    )


async def _accesses(actor: Actor, person_id: UUID) -> list[AccessLine]:
    lines: list[AccessLine] = []
    before: int | None = None
    while len(lines) < ROWS_MAX:
        found = await accesses(actor, person_id=person_id, own=True, limit=PAGE_MAX, before=before)
        lines += found.items
        before = found.next
        if before is None:
            break
    return lines

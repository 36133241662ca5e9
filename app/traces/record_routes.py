"""Any record's history, for an administrator of the audit. Every look is itself in the access log."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from app.kernel.actor import Actor
from app.kernel.http import PAGE_MAX
from app.traces.showing import note_shown
from app.traces.versions import Version, as_of, history, persons_of


class History(msgspec.Struct, frozen=True):
    """`record` is filled where a moment was asked for, `items` otherwise; `next` goes on with older ones."""

    items: list[Version]
    next: int | None = None
    record: dict[str, Any] | None = None


@get("/audit/records/{table:str}/{record_id:str}", permission="audit.read_record")
async def read_record(
    table: FromPath[str],
    record_id: FromPath[str],
    actor: NamedDependency[Actor],
    at: Annotated[datetime | None, QueryParameter()] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)] = 50,
    older: Annotated[int | None, QueryParameter()] = None,
) -> History:
    """Who changed the record when and why; with `at`, how it stood then. Numbers stay encrypted."""
    if at is not None:
        record = await as_of(actor, table=table, record_id=record_id, at=at)
        note_shown(*await persons_of(actor, table=table, record=record))
        return History([], record=record)
    found = await history(actor, table=table, record_id=record_id, older=older, limit=limit)
    for version in found[:1]:
        note_shown(*await persons_of(actor, table=table, record=version.record))
    return History(found, next=found[-1].entry if len(found) == limit else None)


router = Router(path="/api/staff/v1", route_handlers=[read_record])

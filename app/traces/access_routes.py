"""Who looked at whom, for an administrator of the audit. Every look is itself in the access log."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from app.kernel.actor import Actor
from app.kernel.database import fetch, query
from app.kernel.http import PAGE_MAX


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the log. `person_id` is null where nobody's data was shown: refusal, empty list, stream.

    `reason` is the care relation or broken glass by which staff saw the person, or why it was refused.
    """

    entry: int
    at: datetime
    actor_kind: str
    actor_id: UUID | None
    role: str
    channel: str
    session_id: UUID | None
    request_id: str
    address: str
    permission: str
    status: int
    person_id: UUID | None
    reason: str


class Accesses(msgspec.Struct, frozen=True):
    items: list[Access]
    next: int | None


@query
async def accesses(
    actor: Actor,
    *,
    person_id: UUID | None,
    actor_id: UUID | None,
    permission: str | None,
    since: datetime | None,
    until: datetime | None,
    before: int | None,
    limit: int,
) -> list[Access]:
    """Newest first. The database gives them to a live audit login in a request that reaches everybody."""
    rows = await fetch(
        "SELECT * FROM jiuyi.accesses($1, $2, $3, $4, $5, $6, $7)",
        person_id,
        actor_id,
        permission,
        since,
        until,
        before,
        min(limit, PAGE_MAX),
    )
    return [msgspec.convert(dict(row), Access) for row in rows]


@get("/audit/accesses", permission="access_log.read")
async def list_accesses(
    actor: NamedDependency[Actor],
    person_id: Annotated[UUID | None, QueryParameter()] = None,
    actor_id: Annotated[UUID | None, QueryParameter()] = None,
    permission_is: Annotated[str | None, QueryParameter()] = None,
    since: Annotated[datetime | None, QueryParameter()] = None,
    until: Annotated[datetime | None, QueryParameter()] = None,
    before: Annotated[int | None, QueryParameter()] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)] = 50,
) -> Accesses:
    """By person, by who looked, by permission and period; `next` is the `before` of the older page."""
    found = await accesses(
        actor,
        person_id=person_id,
        actor_id=actor_id,
        permission=permission_is,
        since=since,
        until=until,
        before=before,
        limit=limit,
    )
    return Accesses(found, next=found[-1].entry if len(found) == limit else None)


router = Router(path="/api/staff/v1", route_handlers=[list_accesses])

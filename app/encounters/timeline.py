"""The patient's own story, one line per step: a projection that subscribers write and patients read."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.kernel.actor import Actor
from app.kernel.database import action, fetch, fetch_value, query
from app.kernel.events import Event
from app.kernel.ids import new_id
from app.patients.access import require_may_see

PAGE_MAX = 100


class TimelineStep(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    at: datetime
    kind: str
    title: str
    ref_id: UUID | None


@action
async def add_to_timeline(
    actor: Actor,
    *,
    person_id: UUID,
    at: datetime,
    kind: str,
    title: str,
    ref_id: UUID | None,
    once_key: str,
) -> None:
    """Add one step; told again under the same `once_key` it changes nothing."""
    await fetch_value(
        "INSERT INTO timeline_entry (id, person_id, at, kind, title, ref_id, once_key)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (once_key) DO NOTHING RETURNING id",
        new_id(),
        person_id,
        at,
        kind,
        title,
        ref_id,
        once_key,
    )


async def tell(
    actor: Actor, event: Event, *, person_id: UUID, title: str, ref_id: UUID, once: UUID | None = None
) -> None:
    """Add the step that `event` is. `once` names what happened once where that is not `ref_id`."""
    await add_to_timeline(
        actor,
        person_id=person_id,
        at=event.business_at,
        kind=event.kind,
        title=title,
        ref_id=ref_id,
        once_key=f"{event.kind}:{once or ref_id}",
    )


@query
async def timeline(
    actor: Actor, *, person_id: UUID, limit: int = 50, after: UUID | None = None
) -> list[TimelineStep]:
    """The newest steps first; `after` is the id of the last step of the page before."""
    await require_may_see(actor, person_id=person_id)
    rows = await fetch(
        "SELECT id, at, kind, title, ref_id FROM timeline_entry"
        " WHERE person_id IN (SELECT jiuyi.same_person($1)) AND ($2::uuid IS NULL OR"
        " (at, id) < (SELECT at, id FROM timeline_entry WHERE id = $2))"
        " ORDER BY at DESC, id DESC LIMIT $3",
        person_id,
        after,
        min(limit, PAGE_MAX),
    )
    return [TimelineStep(**dict(row)) for row in rows]

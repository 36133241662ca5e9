"""Who may watch and answer the alerts of a ward or department."""

from uuid import UUID

from app.kernel.actor import Actor, ActorKind
from app.kernel.database import fetch_value, query


@query
async def may_watch_ward(actor: Actor, *, ward_id: UUID) -> bool:
    """Its nurses, the doctors of its department, and its own nurse stations."""
    match actor.kind:
        case ActorKind.SYSTEM:
            return True
        case ActorKind.STAFF:
            return await fetch_value(
                "SELECT EXISTS (SELECT FROM staff s WHERE s.id = $1 AND s.active AND (s.ward_id = $2"
                " OR (s.role = 'doctor'"
                "   AND s.department_id = (SELECT department_id FROM ward WHERE id = $2))))",
                actor.id,
                ward_id,
            )
        case ActorKind.DEVICE:
            return await fetch_value(
                "SELECT EXISTS (SELECT FROM device WHERE id = $1 AND disabled_at IS NULL"
                " AND kind = 'nurse_station' AND place_kind = 'ward' AND place_id = $2)",
                actor.id,
                ward_id,
            )
        case _:
            return False


@query
async def may_watch_department(actor: Actor, *, department_id: UUID) -> bool:
    """The staff of the department."""
    if actor.kind is not ActorKind.STAFF:
        return actor.kind is ActorKind.SYSTEM
    return await fetch_value(
        "SELECT EXISTS (SELECT FROM staff WHERE id = $1 AND active AND department_id = $2)",
        actor.id,
        department_id,
    )


@query
async def may_watch(actor: Actor, *, ward_id: UUID | None, department_id: UUID | None) -> bool:
    """An alert stands in one unit: its ward, or else its department."""
    if ward_id is not None:
        return await may_watch_ward(actor, ward_id=ward_id)
    assert department_id is not None
    return await may_watch_department(actor, department_id=department_id)

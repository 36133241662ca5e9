"""Rows of the access log, as a flusher would have written them."""

from datetime import datetime
from uuid import UUID

from app.kernel import clock
from tests.make.inpatient import write


async def access(
    *,
    person_id: UUID | None,
    actor_id: UUID | None,
    permission: str = "visit.read",
    status: int = 200,
    kind: str = "staff",
    role: str = "doctor",
    reason: str = "",
    at: datetime | None = None,
) -> None:
    await write(
        "INSERT INTO access_log (at, actor_kind, actor_id, role, channel, request_id, address, permission,"
        " status, person_id, reason) VALUES ($1, $2, $3, $4, 'staff_web', 'r', '', $5, $6, $7, $8)",
        at or clock.wall(),
        kind,
        actor_id,
        role,
        permission,
        status,
        person_id,
        reason,
    )

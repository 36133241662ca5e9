"""Rows of the access log, as a flusher would have written them."""

from uuid import UUID

from tests.make.inpatient import write


async def access(
    *, person_id: UUID | None, actor_id: UUID | None, permission: str = "visit.read", status: int = 200
) -> None:
    await write(
        "INSERT INTO access_log (actor_kind, actor_id, role, channel, request_id, address, permission, status,"
        " person_id, reason) VALUES ('staff', $1, 'doctor', 'staff_web', 'r', '', $2, $3, $4, '')",
        actor_id,
        permission,
        status,
        person_id,
    )

"""What failed for good."""

from uuid import UUID

from app.kernel.ids import new_id
from tests.make.rows import value


async def dead_delivery(subscriber: str, *, aggregate_id: UUID, status: str = "dead") -> UUID:
    """The newest fact of an aggregate, as a subscriber could not hear it."""
    return await value(
        "INSERT INTO delivery (id, event_id, event_at, subscriber, lane, aggregate_id, aggregate_version,"
        " status, attempts, last_error)"
        " SELECT $1, id, at, $2, 'live', aggregate_id, aggregate_version, $4, 8, 'ValueError(''x'')'"
        " FROM event WHERE aggregate_id = $3 ORDER BY aggregate_version DESC LIMIT 1"
        " RETURNING id",
        new_id(),
        subscriber,
        aggregate_id,
        status,
    )

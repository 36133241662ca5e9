"""Two rows, one human being: a link from the duplicate to the survivor, and back again."""

from uuid import UUID

from app.kernel.actor import Actor
from app.kernel.database import action, fetch_value
from app.kernel.errors import DomainError


class LinkRefused(DomainError):
    code = "link_refused"
    message = "这两份档案不能合并：其中一份已经并入或接收了其他档案，请先解除原有合并。"


@action
async def link_persons(actor: Actor, *, duplicate_id: UUID, survivor_id: UUID) -> None:
    """Let the survivor speak for the duplicate. Links do not form chains."""
    # Both rows in one order, so that two opposite links cannot both pass the test.
    await fetch_value("SELECT count(*) FROM (SELECT id FROM person WHERE id = ANY($1)"
                      " ORDER BY id FOR UPDATE) locked", [duplicate_id, survivor_id])  # fmt: skip
    taken = await fetch_value(
        "SELECT EXISTS (SELECT FROM person_link WHERE duplicate_id = ANY($1) OR survivor_id = $2)",
        [duplicate_id, survivor_id],
        duplicate_id,
    )
    if taken or duplicate_id == survivor_id:
        raise LinkRefused(duplicate_id=duplicate_id, survivor_id=survivor_id)
    await fetch_value(
        "INSERT INTO person_link (duplicate_id, survivor_id) VALUES ($1, $2)", duplicate_id, survivor_id
    )


@action
async def unlink_person(actor: Actor, *, duplicate_id: UUID) -> None:
    """They were two after all. Nothing was re-pointed, so nothing has to be sorted out."""
    await fetch_value("DELETE FROM person_link WHERE duplicate_id = $1", duplicate_id)

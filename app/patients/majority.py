"""A child comes of age: the guardian's reading has ended by itself, and both sides are told."""

from uuid import UUID

from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch
from app.kernel.events import emit
from app.patients.events import CameOfAge

BATCH_MAX = 100
ROUNDS_MAX = 20


async def tell_majority() -> int:
    """The sweep: tell of every guardian whose ward has come of age. Run twice, it tells once."""
    told = 0
    for _ in range(ROUNDS_MAX):
        batch = await hand_over(system("majority"))
        told += len(batch)
        if len(batch) < BATCH_MAX:
            break
    return told


@action
async def hand_over(actor: Actor) -> list[UUID]:
    """The term was fixed when the guardian bound the child; here the row is brought in line with it."""
    rows = await fetch(
        "UPDATE binding SET majority_told_at = jiuyi.now(), scopes = array_remove(scopes, 'read'),"
        " guardian = FALSE WHERE id IN (SELECT id FROM binding WHERE read_until <= jiuyi.now()"
        "   AND majority_told_at IS NULL ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)"
        " RETURNING id, person_id, account_id, valid_to",
        BATCH_MAX,
    )
    for row in rows:
        told = CameOfAge(person_id=row["person_id"], account_id=row["account_id"], ends_at=row["valid_to"])
        await emit(actor, told)
    return [row["id"] for row in rows]

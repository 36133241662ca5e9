"""What the streams forget: used tickets, old events, and clients that do not come any more."""

from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch_value

FORGOTTEN_AT_ONCE_MAX = 2000
ROUNDS_MAX = 50

# Whoever was away for longer is shown the state; who hears them again was never promised more.
KEPT = {
    "rt_ticket": ("used_at", "1 hour"),
    "rt_event": ("at", "7 days"),
    "rt_cursor": ("at", "30 days"),
}


async def forget_old() -> int:
    """The sweep: in small bites, so that it never holds anybody up."""
    forgotten = 0
    for table in KEPT:
        for _ in range(ROUNDS_MAX):
            bite = await _forget(system("sweeper"), table=table)
            forgotten += bite
            if bite < FORGOTTEN_AT_ONCE_MAX:
                break
    return forgotten


@action
async def _forget(actor: Actor, *, table: str) -> int:
    column, kept = KEPT[table]
    return await fetch_value(
        f"WITH gone AS (DELETE FROM {table} WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM {table}"  # noqa: S608 - our own names
        f" WHERE {column} < now() - $1::text::interval LIMIT $2) RETURNING 1) SELECT count(*) FROM gone",
        kept,
        FORGOTTEN_AT_ONCE_MAX,
    )

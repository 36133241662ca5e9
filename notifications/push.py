"""Put an event on a stream: as the last thing of the delivery's transaction, with its receipt."""

from typing import Any

import msgspec

from app.kernel.actor import Actor
from app.kernel.database import action, after_commit, before_commit, fetch_value
from app.kernel.hints import wake
from app.kernel.ids import new_id


@action
async def push(
    actor: Actor, *, stream: str, type: str, data: dict[str, Any], prio: int = 2, ttl_s: int | None = None
) -> None:
    """Tell the listeners of `stream` what changed. `data` names it by ids; clinical content never.

    The number is taken when the transaction is about to commit: writers of one stream queue there for
    the length of a commit and not for the length of a delivery. `prio`: 0 alerts, 1 calls, 2 the rest.
    """
    event_id = new_id()

    async def last() -> None:
        await fetch_value(
            "SELECT jiuyi.rt_push($1, $2, $3, $4, $5, $6)",
            stream,
            event_id,
            type,
            prio,
            ttl_s,
            msgspec.json.encode(data).decode(),
        )

    before_commit(last)
    after_commit(lambda: wake(f"rt:{stream}"))

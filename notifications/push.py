"""Put an event on a stream: as the last thing of the delivery's transaction, with its receipt."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from uuid import UUID

import msgspec

from app.kernel.actor import Actor
from app.kernel.database import action, after_commit, before_commit, fetch, fetch_value
from app.kernel.hints import wake
from app.kernel.ids import new_id
from app.traces.showing import gathering, persons_in


@action
async def push(
    actor: Actor, *, stream: str, type: str, data: dict[str, Any], prio: int = 2, ttl_s: int | None = None
) -> None:
    """Tell the listeners of `stream` what changed. `data` names it by ids; clinical content never.

    Whom it names by `person_id` is kept beside it, for the access log.
    The number is taken when the transaction is about to commit: writers of one stream queue there for
    the length of a commit and not for the length of a delivery. `prio`: 0 alerts, 1 calls, 2 the rest.
    """
    _push_last(stream, lambda: _put(stream, type, prio, ttl_s, data))


@action
async def push_state(
    actor: Actor,
    *,
    stream: str,
    type: str,
    read: Callable[[], Awaitable[dict[str, Any]]],
    prio: int = 2,
    ttl_s: int | None = None,
) -> None:
    """The same for a stream that carries whole states: `read` tells the state, and is asked last.

    It is read behind the stream's lock. Read before, two deliveries could take their numbers in the
    other order than their states, and the board would stay on the older one. Whom the state shows is kept
    beside it, as a reply's would be noted.
    """

    async def last() -> None:
        await fetch("INSERT INTO rt_stream (stream, epoch, seq) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING",
                    stream, new_id())  # fmt: skip
        await fetch("SELECT FROM rt_stream WHERE stream = $1 FOR UPDATE", stream)
        with gathering() as shown:
            data = await read()
        await _put(stream, type, prio, ttl_s, data, shown.persons)

    _push_last(stream, last)


def _push_last(stream: str, last: Callable[[], Awaitable[None]]) -> None:
    before_commit(last)
    after_commit(lambda: wake(f"rt:{stream}"))


async def _put(
    stream: str, type: str, prio: int, ttl_s: int | None, data: dict[str, Any], persons: Iterable[UUID] = ()
) -> None:
    await fetch_value(
        "SELECT jiuyi.rt_push($1, $2, $3, $4, $5, $6, $7)",
        stream,
        new_id(),
        type,
        prio,
        ttl_s,
        msgspec.json.encode(data).decode(),
        list({*persons, *persons_in(data)}),
    )

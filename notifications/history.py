"""What the streams remember: heads, events after a number, snapshots, cursors. Reads and one upsert."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.kernel.actor import Actor
from app.kernel.database import (
    DATABASE_AWAY,
    action,
    fetch,
    fetch_one,
    fetch_value,
    query,
    snapshot,
)
from app.kernel.errors import OutcomeUnknown, Unavailable
from app.kernel.ids import new_id
from app.traces.showing import gathering, note_reply
from notifications.frames import Ev, write_frame
from notifications.streams import State

EVENTS_MAX = 256
PRESENT_SECONDS = 20

# The ledger does not answer now. A socket waits for it: what it is owed is still there afterwards.
LEDGER_AWAY = (
    Unavailable,
    OutcomeUnknown,
    TimeoutError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    *DATABASE_AWAY,
)


class Head(msgspec.Struct, frozen=True):
    stream: str
    epoch: UUID
    seq: int


class Stored(msgspec.Struct, frozen=True):
    """One event, encoded once for all who hear it. `ref_id` is what the event is about, if it says so.

    `persons` are whom it shows, for the access log.
    """

    seq: int
    frame: str
    ref_id: str | None
    persons: tuple[UUID, ...] = ()


class Picture(msgspec.Struct, frozen=True):
    """A state, whom it shows, and the number up to which it holds."""

    head: Head
    state: dict[str, Any]
    persons: tuple[UUID, ...]


@action
async def ensure_head(actor: Actor, *, stream: str) -> Head:
    """The stream's head; a stream that nobody wrote to yet begins at 0."""
    known = await _head(stream)
    if known is None:
        await fetch(
            "INSERT INTO rt_stream (stream, epoch, seq) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING",
            stream,
            new_id(),
        )
        known = await _head(stream)
    assert known is not None
    return known


async def _head(stream: str) -> Head | None:
    row = await fetch_one("SELECT stream, epoch, seq FROM rt_stream WHERE stream = $1", stream)
    return None if row is None else Head(row["stream"], row["epoch"], row["seq"])


@query
async def heads(actor: Actor, *, streams: Sequence[str]) -> list[Head]:
    rows = await fetch("SELECT stream, epoch, seq FROM rt_stream WHERE stream = ANY($1)", list(streams))
    return [Head(row["stream"], row["epoch"], row["seq"]) for row in rows]


@query
async def events_after(actor: Actor, *, wanted: Sequence[tuple[str, int]]) -> dict[str, list[Stored]]:
    """Per stream the next events after a number, at most EVENTS_MAX each, in order.

    One that does not say whom it shows is left out: to who reads on it is a hole.
    """
    rows = await fetch(
        "SELECT e.* FROM unnest($1::text[], $2::bigint[]) AS w(stream, after)"
        " CROSS JOIN LATERAL (SELECT * FROM rt_event r WHERE r.stream = w.stream AND r.seq > w.after"
        " AND r.persons IS NOT NULL"
        " ORDER BY r.seq LIMIT $3) e ORDER BY e.stream, e.seq",
        [stream for stream, _ in wanted],
        [after for _, after in wanted],
        EVENTS_MAX,
    )
    found: dict[str, list[Stored]] = {}
    for row in rows:
        found.setdefault(row["stream"], []).append(_stored(row))
    return found


def _stored(row: Any) -> Stored:
    d = msgspec.json.decode(row["d"])
    frame = Ev(row["stream"], row["seq"], row["id"], row["type"], row["prio"], row["at"], row["ttl_s"], d)
    return Stored(row["seq"], write_frame(frame), d.get("alert_id"), tuple(row["persons"]))


@snapshot
async def picture_of(actor: Actor, *, stream: str, owner_id: UUID, state: State) -> Picture:
    """The state and the number up to which it holds, of one and the same moment."""
    head = await _head(stream)
    assert head is not None, f"{stream} is listened to, so it has a head"
    with gathering() as shown:
        seen = await state(actor, owner_id)
        note_reply(seen)
    return Picture(head, seen, tuple(shown.persons))


class Cursor(msgspec.Struct, frozen=True):
    """How far a client has acknowledged a stream, and whether it is there to hear more."""

    acked: int
    present: bool


@action
async def note_cursors(actor: Actor, *, cursors: dict[tuple[str, str], Cursor]) -> None:
    """Write cursors by (client, stream): proof of arrival, and proof of presence by its time."""
    rows = sorted(cursors.items())
    await fetch(
        "INSERT INTO rt_cursor AS c (id, client_id, stream, acked_seq, at)"
        " SELECT w.id, w.client_id, w.stream, w.seq,"
        " now() - CASE WHEN w.present THEN 0 ELSE $6 END * interval '1 second'"
        " FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::boolean[])"
        " AS w(id, client_id, stream, seq, present)"
        " ON CONFLICT ON CONSTRAINT rt_cursor_once DO UPDATE"
        " SET acked_seq = greatest(c.acked_seq, excluded.acked_seq), at = excluded.at",
        [new_id() for _ in rows],
        [client for (client, _), _ in rows],
        [stream for (_, stream), _ in rows],
        [cursor.acked for _, cursor in rows],
        [cursor.present for _, cursor in rows],
        PRESENT_SECONDS,
    )


@query
async def somebody_listens(actor: Actor, *, stream: str) -> bool:
    """Whether a client of this stream was seen on any server within the last PRESENT_SECONDS."""
    return await fetch_value(
        "SELECT EXISTS (SELECT FROM rt_cursor WHERE stream = $1 AND at > now() - $2 * interval '1 second')",
        stream,
        PRESENT_SECONDS,
    )

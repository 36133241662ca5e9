"""From the outbox to the subscribers: fan out, run, retry, and leave the dead to a person (app/letters)."""

import time
from collections.abc import Sequence
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Counter, Histogram
from structlog.contextvars import bound_contextvars

from app.kernel.actor import Actor, caused_by, system
from app.kernel.database import action, execute_many, fetch, fetch_one, fetch_value
from app.kernel.errors import storable
from app.kernel.events import Event, Lane, Subscription, read_fact
from app.kernel.ids import new_id
from app.kernel.tables import DELIVERY_FLOW, DeliveryStatus

log = structlog.get_logger()

FAN_OUT_MAX = 200
DELIVER_MAX = 50
ATTEMPTS_MAX = 8
BACKOFF_SECONDS_MAX = 300

TURN = Histogram("jiuyi_relay_turn_seconds", "Turns of the relay that found something to do", ["lane"])
DELIVERIES = Counter("jiuyi_deliveries", "Deliveries that were tried", ["subscriber", "outcome"])


class Due(msgspec.Struct, frozen=True):
    """A delivery that may run, and whose request it goes back to."""

    id: UUID
    subscriber: str
    kind: str
    request_id: str


class Relay:
    """The subscriptions, by kind. Any number of relays may run; one lane is fanned out by one at a time."""

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        names = [s.name for s in subscriptions]
        assert len(names) == len(set(names)), "subscription names must differ"
        self.by_name = {s.name: s for s in subscriptions}
        self.by_kind: dict[str, list[Subscription]] = {}
        for subscription in subscriptions:
            self.by_kind.setdefault(subscription.kind, []).append(subscription)

    async def turn(self, lane: Lane) -> int:
        """Fan out and deliver what is due now. Returns how much it did; 0 means: wait for a hint."""
        actor, began = system("relay"), time.monotonic()
        done = await fan_out(actor, lane=lane, relay=self)
        for due in await due_deliveries(actor, lane=lane):
            done += await self.deliver(due)
        if done:
            TURN.labels(lane).observe(time.monotonic() - began)
        return done

    async def deliver(self, due: Due) -> bool:
        """Run one delivery. Its failure is written down in a transaction of its own."""
        told = {"delivery_id": str(due.id), "subscriber": due.subscriber, "kind": due.kind}
        with caused_by(due.request_id), bound_contextvars(**told):
            actor, began = system("relay", request_id=due.request_id), time.monotonic()
            try:
                done = await run_delivery(actor, delivery_id=due.id, relay=self)
            except Exception as error:
                # The relay's outermost loop: a subscriber may raise anything, and the others must go on.
                log.warning("delivery_failed", exc_info=True)
                is_dead = await note_failure(actor, delivery_id=due.id, error=storable(error))
                DELIVERIES.labels(due.subscriber, "dead" if is_dead else "failed").inc()
                return False
            if done:
                DELIVERIES.labels(due.subscriber, "done").inc()
                log.info("delivered", ms=round(1000 * (time.monotonic() - began), 1))
            return done


@action
async def fan_out(actor: Actor, *, lane: Lane, relay: Relay) -> int:
    """Replace outbox rows of a lane by one delivery per subscriber, in one transaction."""
    if not await fetch_value(
        "SELECT pg_try_advisory_xact_lock(hashtext('jiuyi:relay'), hashtext($1))", str(lane)
    ):
        return 0
    rows = await fetch(
        "WITH taken AS (DELETE FROM outbox WHERE event_id IN ("
        "   SELECT event_id FROM outbox WHERE lane = $1 ORDER BY position LIMIT $2"
        "   FOR UPDATE SKIP LOCKED) RETURNING event_id, event_at)"
        " SELECT e.id, e.at, e.kind, e.aggregate_id, e.aggregate_version"
        " FROM taken JOIN event e ON e.id = taken.event_id AND e.at = taken.event_at"
        " ORDER BY e.aggregate_version",
        str(lane),
        FAN_OUT_MAX,
    )
    await execute_many(
        "INSERT INTO delivery (id, event_id, event_at, subscriber, lane, aggregate_id,"
        " aggregate_version, status, attempts, retry_at, last_error)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, 'due', 0, now(), '')",
        [
            (
                new_id(),
                r["id"],
                r["at"],
                s.name,
                str(lane),
                r["aggregate_id"],
                r["aggregate_version"],
            )
            for r in rows
            for s in relay.by_kind.get(r["kind"], [])
        ],
    )
    return len(rows)


NO_EARLIER = (
    "NOT EXISTS (SELECT FROM delivery e WHERE e.subscriber = d.subscriber AND e.status = 'due'"
    " AND e.aggregate_id = d.aggregate_id AND e.aggregate_version < d.aggregate_version)"
)


@action
async def due_deliveries(actor: Actor, *, lane: Lane) -> list[Due]:
    """Deliveries that may run now, oldest first; later ones of an aggregate wait for its earlier ones."""
    rows = await fetch(
        "SELECT d.id, d.subscriber, e.kind, e.request_id FROM"  # noqa: S608 - a constant
        " (SELECT * FROM delivery d WHERE d.lane = $1 AND d.status = 'due' AND d.retry_at <= now()"
        f"  AND {NO_EARLIER} ORDER BY d.retry_at, d.id LIMIT $2) d"
        " JOIN event e ON e.id = d.event_id AND e.at = d.event_at ORDER BY d.retry_at, d.id",
        str(lane),
        DELIVER_MAX,
    )
    return [Due(**row) for row in rows]


@action
async def run_delivery(actor: Actor, *, delivery_id: UUID, relay: Relay) -> bool:
    """Claim, run the subscriber, and mark it done: all or nothing. False where another relay has it."""
    row = await fetch_one(
        "SELECT d.id, d.subscriber, e.id AS event_id, e.at, e.business_at, e.kind, e.aggregate_id,"  # noqa: S608 - a constant
        " e.aggregate_version, e.actor_kind, e.actor_id, e.channel, e.fact"
        " FROM delivery d JOIN event e ON e.id = d.event_id AND e.at = d.event_at"
        f" WHERE d.id = $1 AND d.status = 'due' AND {NO_EARLIER} FOR UPDATE OF d SKIP LOCKED",
        delivery_id,
    )
    if row is None:
        return False
    subscription = relay.by_name[row["subscriber"]]
    event = msgspec.convert({**dict(row), "id": row["event_id"]}, Event)
    await subscription.handler(actor, read_fact(row["kind"], row["fact"]), event)
    await DELIVERY_FLOW.move(delivery_id, DeliveryStatus.DONE)
    await fetch("UPDATE delivery SET done_at = now() WHERE id = $1", delivery_id)
    return True


@action
async def note_failure(actor: Actor, *, delivery_id: UUID, error: str) -> bool:
    """Count the failure and try later, ever more slowly. True after the last: a person must look now."""
    row = await fetch_one(
        "UPDATE delivery SET attempts = attempts + 1, last_error = $2,"
        " retry_at = now() + least(power(2, attempts), $3) * interval '1 second'"
        " WHERE id = $1 AND status = 'due' RETURNING attempts",
        delivery_id,
        error,
        BACKOFF_SECONDS_MAX,
    )
    if row is None or row["attempts"] < ATTEMPTS_MAX:
        return False
    await DELIVERY_FLOW.move(delivery_id, DeliveryStatus.DEAD)
    log.error("delivery_dead", delivery_id=str(delivery_id))
    return True

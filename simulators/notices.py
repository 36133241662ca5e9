"""Telling the merchant: notifications are stored first, then delivered until acknowledged.

The real platforms insist on public https addresses; these simulators also accept http on loopback,
because the hospital they speak to runs on the same machine.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import msgspec

from simulators.clock import Now
from simulators.faults import Fault, FaultBoard, Part
from simulators.store import Store, loaded, stored

SCHEMA = """
create table if not exists notice (
    id text primary key,
    kind text not null,
    reference text not null,
    url text not null,
    signer text not null,
    content text not null,
    state text not null,
    attempts integer not null default 0,
    created_at text not null,
    next_at text not null
) strict;
create index if not exists notice_due on notice (next_at) where state = 'pending';
create table if not exists delivery (
    seq integer primary key,
    notice text not null references notice (id),
    at text not null,
    fault text,
    status integer,
    reply text not null
) strict;
"""

ACK_WITHIN_S = 5.0
AT_ONCE = 16  # deliveries under way at the same time
LOOK_EVERY_S = 0.5
REPLY_KEPT = 200


class NoticeState(StrEnum):
    PENDING = "pending"
    WITHHELD = "withheld"
    OVERTAKEN = "overtaken"  # waits until a later one about the same order has gone out
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    kind: str
    reference: str
    url: str
    signer: str  # which of the platform's keys the merchant expects
    content: str  # the platform's own JSON, before envelope and signature
    state: NoticeState
    attempts: int
    created_at: str
    next_at: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    at: str
    fault: str | None
    status: int | None
    reply: str


class Envelope(NamedTuple):
    body: bytes
    headers: dict[str, str]


class Manners(msgspec.Struct, frozen=True):
    """How one platform notifies."""

    compose: Callable[[Notice, Fault | None, datetime], Envelope]
    accepts: Callable[[int, bytes], bool]
    retry_after: Sequence[timedelta]
    retry_after_of: Mapping[str, Sequence[timedelta]] = {}  # kinds with another patience


class Courier:
    """Delivers what is due in business time; the control API can hurry it."""

    def __init__(self, store: Store, now: Now, faults: FaultBoard, manners: Manners) -> None:
        self._store = store
        self._now = now
        self._faults = faults
        self._manners = manners
        self._wake = asyncio.Event()
        self._under_way: set[str] = set()
        self._client: httpx.AsyncClient | None = None  # made when first needed: slow to make

    def post(
        self,
        *,
        notice_id: str,
        kind: str,
        reference: str,
        url: str,
        signer: str,
        content: bytes,
        at: datetime,
    ) -> None:
        """Store a notification, in the transaction of what it tells."""
        state, due_at = self._outset(kind, reference, at)
        self._store.run(
            """insert into notice
                   (id, kind, reference, url, signer, content, state, created_at, next_at)
               values (:id, :kind, :reference, :url, :signer, :content, :state, :at, :due_at)""",
            id=notice_id,
            kind=kind,
            reference=reference,
            url=url,
            signer=signer,
            content=content.decode(),
            state=state,
            at=stored(at),
            due_at=stored(due_at),
        )
        self._wake.set()

    async def run(self) -> None:
        """Deliver due notifications for ever, several at once."""
        async with asyncio.TaskGroup() as deliveries:
            while True:
                self._wake.clear()
                for notice in self._due(await self._now()):
                    self._under_way.add(notice.id)
                    deliveries.create_task(self._deliver(notice))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), LOOK_EVERY_S)

    async def deliver_now(self, notice_id: str) -> Delivery | None:
        """One delivery at once, whatever the notification's state; None while one is under way."""
        notice = self.find(notice_id)
        if notice is None or notice.id in self._under_way:
            return None
        self._under_way.add(notice.id)
        return await self._deliver(notice)

    async def hurry(self) -> int:
        """Make everything that waits due now; say how many."""
        return await self._make_due(NoticeState.PENDING)

    async def release(self) -> int:
        """Let go what is withheld or waits to be overtaken; say how many."""
        return await self._make_due(NoticeState.WITHHELD, NoticeState.OVERTAKEN)

    def find(self, notice_id: str) -> Notice | None:
        row = self._store.row("select * from notice where id = :id", id=notice_id)
        return Notice(**dict(row)) if row is not None else None

    def about(self, reference: str, *, limit: int) -> list[Notice]:
        """Notifications about one order (or, with an empty reference, all), newest last."""
        rows = self._store.rows(
            """select * from (select rowid, * from notice
                   where :reference in ('', reference) order by rowid desc limit :limit)
               order by rowid""",
            reference=reference,
            limit=limit,
        )
        return [Notice(**{k: row[k] for k in Notice.__struct_fields__}) for row in rows]

    def deliveries(self, notice_id: str) -> list[Delivery]:
        rows = self._store.rows(
            "select at, fault, status, reply from delivery where notice = :id order by seq",
            id=notice_id,
        )
        return [Delivery(**dict(row)) for row in rows]

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    def _outset(self, kind: str, reference: str, at: datetime) -> tuple[NoticeState, datetime]:
        """What a new notification begins as, and when it is first due."""
        taken = self._faults.take(Part.OUTBOX, endpoint=kind, text=reference)
        if taken is None:
            return NoticeState.PENDING, at
        fault, armed = taken
        if fault.name == "delay":
            return NoticeState.PENDING, at + timedelta(seconds=armed.seconds)
        return (NoticeState.OVERTAKEN if fault.name == "reorder" else NoticeState.WITHHELD), at

    def _due(self, now: datetime) -> list[Notice]:
        rows = self._store.rows(
            """select * from notice where state = 'pending' and next_at <= :now
               order by next_at limit :limit""",
            now=stored(now),
            limit=AT_ONCE,
        )
        free = AT_ONCE - len(self._under_way)
        due = [Notice(**dict(row)) for row in rows if row["id"] not in self._under_way]
        return due[: max(free, 0)]

    async def _make_due(self, *states: NoticeState) -> int:
        now = stored(await self._now())
        changed = sum(
            self._store.run(
                "update notice set state = 'pending', next_at = :now where state = :state",
                now=now,
                state=state,
            )
            for state in states
        )
        self._wake.set()
        return changed

    async def _deliver(self, notice: Notice) -> Delivery:
        taken = self._faults.take(Part.NOTICE, endpoint=notice.kind, text=notice.reference)
        fault = taken[0] if taken is not None else None
        try:
            now = await self._now()
            status, reply = await self._send(notice, fault, now)
            delivery = Delivery(
                at=stored(now),
                fault=fault.name if fault is not None else None,
                status=status,
                reply=reply[:REPLY_KEPT].decode(errors="replace"),
            )
            accepted = status is not None and self._manners.accepts(status, reply)
            ignored = fault is not None and fault.name == "ignore_ack"
            self._record(notice, delivery, delivered=accepted and not ignored)
        finally:
            self._under_way.discard(notice.id)
            self._wake.set()
        return delivery

    async def _send(self, notice: Notice, fault: Fault | None, now: datetime) -> tuple[int | None, bytes]:
        if fault is not None and fault.name == "lose":
            return None, b""
        envelope = self._manners.compose(notice, fault, now)
        copies = 2 if fault is not None and fault.name == "duplicate" else 1
        answers = await asyncio.gather(*(self._post(notice.url, envelope) for _ in range(copies)))
        return answers[-1]

    async def _post(self, url: str, envelope: Envelope) -> tuple[int | None, bytes]:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=ACK_WITHIN_S, trust_env=False)
        try:
            async with asyncio.timeout(ACK_WITHIN_S):
                answer = await self._client.post(url, content=envelope.body, headers=envelope.headers)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return None, type(error).__name__.encode()
        return answer.status_code, answer.content

    def _record(self, notice: Notice, delivery: Delivery, *, delivered: bool) -> None:
        waits = self._manners.retry_after_of.get(notice.kind, self._manners.retry_after)
        if delivered:
            state, wait = NoticeState.DELIVERED, timedelta(0)
        elif notice.attempts < len(waits):
            state, wait = NoticeState.PENDING, waits[notice.attempts]
        else:
            state, wait = NoticeState.GIVEN_UP, timedelta(0)
        with self._store.transaction():
            self._store.run(
                """insert into delivery (notice, at, fault, status, reply)
                   values (:notice, :at, :fault, :status, :reply)""",
                notice=notice.id,
                at=delivery.at,
                fault=delivery.fault,
                status=delivery.status,
                reply=delivery.reply,
            )
            self._store.run(
                """update notice set state = :state, attempts = attempts + 1, next_at = :next_at
                   where id = :id""",
                state=state,
                next_at=stored(loaded(delivery.at) + wait),
                id=notice.id,
            )
            self._store.run(
                """update notice set state = 'pending', next_at = :at
                   where state = 'overtaken' and reference = :reference and id <> :id""",
                at=delivery.at,
                reference=notice.reference,
                id=notice.id,
            )


def is_deliverable(url: str) -> bool:
    """https to anywhere but a private address, or plain http on this machine; never a query."""
    parts = urlsplit(url)
    if parts.query or not parts.hostname or "?" in url:
        return False
    if parts.hostname == "localhost":
        return parts.scheme in ("http", "https")
    try:
        address = ip_address(parts.hostname)
    except ValueError:
        return parts.scheme == "https"
    if address.is_loopback:
        return parts.scheme in ("http", "https")
    return parts.scheme == "https" and address.is_global

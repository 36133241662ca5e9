"""One websocket from hello to goodbye. Nothing is queued for a client: it reads the ledger at its pace."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

import msgspec

from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.ids import new_id
from notifications.frames import (
    CLOSE_AUTH,
    CLOSE_DRAIN,
    CLOSE_FORBIDDEN,
    CLOSE_MALFORMED,
    CLOSE_REPLACED,
    CLOSE_SLOW,
    PROTOCOL,
    Ack,
    Bye,
    ClientFrame,
    Gap,
    Hello,
    Ping,
    Pong,
    Reauth,
    Resync,
    Snap,
    StreamHead,
    Wanted,
    Welcome,
    read_frame,
    write_frame,
)
from notifications.history import Stored, events_after, head_and_state
from notifications.hub import ACTOR, HUB, Feed, Hub
from notifications.kinds import KINDS
from notifications.streams import StreamKind, find
from notifications.tickets import Listener, still_welcome, use_ticket

HELLO_SECONDS_MAX = 5.0
SEND_SECONDS_MAX = 10.0
PROGRESS_SECONDS_MAX = 30.0
HEARTBEAT_SECONDS = 15
PONGS_MISSED_MAX = 2
WINDOW_MAX = 64
STREAMS_MAX = 16
RESUME_MAX = 1000
RETRY_MS_MAX = 30_000


class Close(Exception):
    """End the connection with this code."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(code, reason)


class Place:
    """Where a session stands in one stream: what was sent, and what the client said has arrived."""

    def __init__(self, feed: Feed, kind: StreamKind, owner_id: UUID) -> None:
        self.feed = feed
        self.kind = kind
        self.owner_id = owner_id
        self.epoch = feed.epoch
        self.sent: int | None = None  # None: a snapshot is due
        self.acked = 0
        self.progress_at = time.monotonic()
        self.unacked_refs: dict[int, str] = {}


class Session:
    """`receive` and `send` are the socket's; everything else is this protocol."""

    def __init__(
        self, receive: Callable[[], Awaitable[str]], send: Callable[[str], Awaitable[None]], hub: Hub = HUB
    ) -> None:
        self.id = new_id()
        self.receive = receive
        self.send_text = send
        self.hub = hub
        self.dirty = asyncio.Event()
        self.places: dict[str, Place] = {}
        self.window = 0
        self.client_key = ""
        self.client_id = ""
        self.listener: Listener | None = None
        self.pings_open = 0
        self.ended: asyncio.Future[Close] = asyncio.get_running_loop().create_future()

    @property
    def actor(self) -> Actor:
        assert self.listener is not None
        return self.listener.actor

    async def run(self) -> Close:
        """Serve until somebody ends it; returns how to close. The socket's own end raises through."""
        try:
            await self._greet()
            return await self._serve()
        except Close as close:
            return close
        finally:
            self.hub.leave(self)

    async def _serve(self) -> Close:
        tasks = [asyncio.create_task(part()) for part in (self._read, self._write, self._keep_alive)]
        try:
            done, _ = await asyncio.wait([*tasks, self.ended], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        first = next(iter(done))
        return first.result() or Close(CLOSE_DRAIN, "ended")

    async def _greet(self) -> None:
        try:
            frame = _understood(await asyncio.wait_for(self.receive(), HELLO_SECONDS_MAX))
        except TimeoutError as error:
            raise Close(CLOSE_AUTH, "no hello") from error
        if not isinstance(frame, Hello) or frame.v != PROTOCOL or len(frame.streams) > STREAMS_MAX:
            raise Close(CLOSE_MALFORMED, "hello expected")
        self.listener = await use_ticket(ACTOR, ticket=frame.ticket)
        if self.listener is None:
            raise Close(CLOSE_AUTH, "ticket refused")
        self.client_id = frame.client_id[:64]
        self.client_key = f"{self.actor}:{self.client_id}"
        self.window = max(1, min(frame.window, WINDOW_MAX))
        if (older := self.hub.enter(self)) is not None:
            older.end(Close(CLOSE_REPLACED, "a newer connection of this client"))
        joined = [await self._join(wanted) for wanted in frame.streams]
        await self._send(
            write_frame(Welcome(self.id, clock.wall(), HEARTBEAT_SECONDS, joined, self.listener.token_exp))
        )
        self.dirty.set()

    async def _join(self, wanted: Wanted) -> StreamHead:
        found = find(KINDS, wanted.s)
        if found is None or not await found[0].may_listen(self.actor, found[1]):
            raise Close(CLOSE_FORBIDDEN, "stream refused")
        feed = await self.hub.attach(self, wanted.s)
        place = self.places[wanted.s] = Place(feed, *found)
        if (
            wanted.epoch == feed.epoch
            and wanted.after is not None
            and 0 <= feed.seq - wanted.after <= RESUME_MAX
        ):
            place.sent = place.acked = wanted.after
        return StreamHead(wanted.s, feed.epoch, feed.seq, "snapshot" if place.sent is None else "resume")

    async def _read(self) -> Close:
        while True:
            match _understood(await self.receive()):
                case Ack(s, q):
                    await self._acknowledged(self._place(s), q)
                case Resync(s, after):
                    place = self._place(s)
                    place.sent = after if 0 <= after <= place.feed.seq else None
                    self.dirty.set()
                case Pong():
                    self.pings_open = 0
                case Reauth(ticket):
                    await self._renew(ticket)
                case Hello():
                    return Close(CLOSE_MALFORMED, "one hello only")

    def _place(self, stream: str) -> Place:
        place = self.places.get(stream)
        if place is None:
            raise Close(CLOSE_MALFORMED, "not a stream of this connection")
        return place

    async def _renew(self, ticket: str) -> None:
        renewed = await use_ticket(ACTOR, ticket=ticket)
        if renewed is None or renewed.actor.id != self.actor.id or renewed.actor.kind != self.actor.kind:
            raise Close(CLOSE_AUTH, "ticket refused")
        self.listener = renewed

    async def _acknowledged(self, place: Place, seq: int) -> None:
        if not place.acked < seq <= (place.sent or 0):
            return
        place.acked = seq
        place.progress_at = time.monotonic()
        self.dirty.set()
        arrived = [place.unacked_refs.pop(q) for q in sorted(place.unacked_refs) if q <= seq]
        if arrived and place.kind.arrived is not None:
            await place.kind.arrived(self.actor, arrived)

    async def _write(self) -> Close:
        while True:
            await self.dirty.wait()
            self.dirty.clear()
            for place in self.places.values():
                await self._pump(place)

    async def _pump(self, place: Place) -> None:
        """Send what the client's window has room for; the rest waits in the ledger."""
        if place.sent is not None and place.epoch != place.feed.epoch:
            await self._send(
                write_frame(Gap(place.feed.stream, place.sent, place.feed.seq, place.feed.epoch))
            )
            place.sent = None
        if place.sent is None:
            await self._send_snapshot(place)
        assert place.sent is not None
        while place.sent < place.feed.seq and place.sent - place.acked < self.window:
            events = place.feed.after(place.sent)
            if events is None:
                events = await self._from_ledger(place)
            if not events or events[0].seq != place.sent + 1:
                await self._send(
                    write_frame(Gap(place.feed.stream, place.sent, place.feed.seq, place.feed.epoch))
                )
                await self._send_snapshot(place)
                return
            for event in events[: self.window - (place.sent - place.acked)]:
                await self._send(event.frame)
                place.sent = event.seq
                if event.ref_id is not None:
                    place.unacked_refs[event.seq] = event.ref_id

    async def _from_ledger(self, place: Place) -> list[Stored]:
        assert place.sent is not None
        found = await events_after(ACTOR, wanted=[(place.feed.stream, place.sent)])
        return found.get(place.feed.stream, [])

    async def _send_snapshot(self, place: Place) -> None:
        head, state = await head_and_state(
            ACTOR, stream=place.feed.stream, owner_id=place.owner_id, state=place.kind.state
        )
        await self._send(write_frame(Snap(head.stream, head.epoch, head.seq, state)))
        place.epoch = head.epoch
        place.sent = place.acked = head.seq
        place.progress_at = time.monotonic()

    async def _keep_alive(self) -> Close:
        number = 0
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS + random.uniform(-2, 2))  # noqa: S311 - jitter
            if self.pings_open >= PONGS_MISSED_MAX:
                return Close(CLOSE_SLOW, "no pong")
            if any(self._is_stuck(place) for place in self.places.values()):
                return Close(CLOSE_SLOW, "no progress")
            assert self.listener is not None
            if clock.wall() >= self.listener.token_exp or not await still_welcome(
                ACTOR, listener=self.listener
            ):
                return Close(CLOSE_AUTH, "login ended")
            number += 1
            self.pings_open += 1
            await self._send(write_frame(Ping(number)))

    def _is_stuck(self, place: Place) -> bool:
        waits = place.sent is not None and place.sent - place.acked >= self.window
        return waits and time.monotonic() - place.progress_at > PROGRESS_SECONDS_MAX

    async def _send(self, text: str) -> None:
        try:
            await asyncio.wait_for(self.send_text(text), SEND_SECONDS_MAX)
        except TimeoutError as error:
            raise Close(CLOSE_SLOW, "not reading") from error

    def end(self, close: Close) -> None:
        if not self.ended.done():
            self.ended.set_result(close)

    async def say_bye(self) -> None:
        """Tell the client to come back after a time of its own, so that not all return at once."""
        retry_ms = random.randrange(RETRY_MS_MAX)  # noqa: S311 - spreads the load
        try:
            await asyncio.wait_for(self.send_text(write_frame(Bye(retry_ms))), 1)
        finally:
            self.end(Close(CLOSE_DRAIN, "the server stops"))

    def cursors(self) -> list[tuple[str, str, int]]:
        return [(self.client_id, stream, place.acked) for stream, place in self.places.items()]


def _understood(text: str) -> ClientFrame:
    try:
        return read_frame(text)
    except msgspec.MsgspecError as error:
        raise Close(CLOSE_MALFORMED, "not a frame of hosp.rt.v1") from error

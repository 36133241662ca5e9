"""One websocket from hello to goodbye. Nothing is queued for a client: it reads the ledger at its pace."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import assert_never
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Counter
from structlog.contextvars import bound_contextvars

from app.edge.buckets import Buckets, Demand
from app.edge.counting import TooManyRequests, actor_demands, take_here
from app.edge.limits import Group
from app.identity.policy import role_of
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.errors import NotFound
from app.kernel.ids import new_id
from app.traces.access_log import ACCESS_LOG, Entry, TrailUnavailable
from notifications.frames import (
    CLOSE_AUTH,
    CLOSE_DRAIN,
    CLOSE_FORBIDDEN,
    CLOSE_MALFORMED,
    CLOSE_REPLACED,
    CLOSE_SLOW,
    CLOSE_TOO_MANY,
    CLOSE_UNNOTED,
    PROTOCOL,
    Ack,
    Bye,
    ClientFrame,
    Hello,
    Ping,
    Pong,
    Reauth,
    Resync,
    StreamHead,
    Wanted,
    Welcome,
    read_frame,
    write_frame,
)
from notifications.history import LEDGER_AWAY, PRESENT_SECONDS, Cursor
from notifications.hub import HUB, Hub
from notifications.kinds import KINDS
from notifications.place import Place
from notifications.streams import StreamKind, find, may_join
from notifications.tickets import Listener, still_welcome, use_ticket

log = structlog.get_logger()

RETRY_SECONDS = 0.3
BYE_SECONDS_MAX = 1.0

FRAMES = Counter("jiuyi_rt_frames", "Frames sent to sockets")


class Close(Exception):
    """End the connection with this code."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(code, reason)


class Left(Exception):
    """The client has gone; what it missed waits in the ledger."""


class Session:
    """`receive` and `send` are the socket's; everything else is this protocol."""

    def __init__(
        self,
        receive: Callable[[], Awaitable[str]],
        send: Callable[[str], Awaitable[None]],
        hub: Hub = HUB,
        *,
        address: str = "",
    ) -> None:
        self.id = new_id()
        self.receive = receive
        self.send_text = send
        self.hub = hub
        self.address = address
        self.limits = hub.limits
        self.dirty = asyncio.Event()
        self.places: dict[str, Place] = {}
        self.window = 0
        self.client_key = ""
        self.client_id = ""
        self.listener: Listener | None = None
        self.heard = Buckets(keys_max=1)
        self.pings_open = 0
        self.heard_at = time.monotonic()
        self.ended: asyncio.Future[Close] = asyncio.get_running_loop().create_future()

    @property
    def actor(self) -> Actor:
        assert self.listener is not None
        return self.listener.actor

    async def run(self) -> Close:
        """Serve until somebody ends it; returns how to close. Raises Left when the client went."""
        try:
            await self._greet()
            with bound_contextvars(conn=str(self.id), actor=str(self.actor.kind), role=self.actor.role):
                return await self._serve()
        except Close as close:
            return close
        except LEDGER_AWAY:
            log.warning("rt_ledger_away", conn=str(self.id), exc_info=True)
            await self.say_bye()
            return self.ended.result()
        finally:
            if self.client_key:
                self.hub.leave(self)

    async def _serve(self) -> Close:
        tasks = [asyncio.create_task(part()) for part in (self._read, self._write, self._keep_alive)]
        try:
            done, _ = await asyncio.wait([*tasks, self.ended], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self.ended.done():
            return self.ended.result()
        return done.pop().result()

    async def _greet(self) -> None:
        try:
            frame = _understood(await asyncio.wait_for(self.receive(), self.limits.hello_s))
        except TimeoutError as error:
            raise Close(CLOSE_AUTH, "no hello") from error
        if (
            not isinstance(frame, Hello)
            or frame.v != PROTOCOL
            or len(frame.streams) > self.limits.streams_max
        ):
            raise Close(CLOSE_MALFORMED, "hello expected")
        self.listener = await use_ticket(self.hub.actor, ticket=frame.ticket)
        if self.listener is None:
            raise Close(CLOSE_AUTH, "ticket refused")
        self._enter(frame.client_id)
        self.window = max(1, min(frame.window, self.limits.window_max))
        joined = [await self._join(wanted) for wanted in frame.streams]
        hb = max(1, round(self.limits.heartbeat_s))
        await self._send(write_frame(Welcome(self.id, clock.wall(), hb, joined, self.listener.token_exp)))
        self.hub.tell_presence(self.cursors())
        self.dirty.set()

    def _enter(self, client_id: str) -> None:
        """Be counted, and take the place of an older self."""
        client_key = f"{self.actor}:{client_id}"
        if not self.hub.has_room_for(self.actor, client_key=client_key):
            raise Close(CLOSE_TOO_MANY, "too many screens of this login")
        try:
            take_here(Group.HELLO, actor_demands(Group.HELLO, self.actor))
        except TooManyRequests as error:
            raise Close(CLOSE_TOO_MANY, "too many hellos") from error
        self.client_id, self.client_key = client_id, client_key
        if (older := self.hub.enter(self)) is not None:
            older.end(Close(CLOSE_REPLACED, "a newer connection of this client"))

    async def _join(self, wanted: Wanted) -> StreamHead:
        found = find(KINDS, wanted.s)
        if found is None:
            raise Close(CLOSE_FORBIDDEN, "stream refused")
        joins = await may_join(self.actor, *found)
        await self._note(found[0], status=HTTPStatus.OK if joins else HTTPStatus.FORBIDDEN, reason=wanted.s)
        if not joins:
            raise Close(CLOSE_FORBIDDEN, "stream refused")
        feed, head = await self.hub.attach(self, wanted.s)
        place = self.places[wanted.s] = Place(
            self.hub, feed, *found, window=self.window, note_shown=self._note
        )
        resumed = place.resume(head, epoch=wanted.epoch, after=wanted.after)
        return StreamHead(wanted.s, head.epoch, head.seq, "resume" if resumed else "snapshot")

    async def _note(
        self,
        kind: StreamKind,
        persons: Sequence[UUID] = (),
        *,
        status: HTTPStatus = HTTPStatus.OK,
        reason: str = "",
    ) -> None:
        """To join is an access, and so is each person who appears; what cannot be noted ends the line."""
        entry = Entry(
            actor=self.actor,
            role=role_of(self.actor),
            permission=kind.permission,
            status=status,
            address=self.address,
            persons=tuple(persons),
            reason=reason,
        )
        try:
            await ACCESS_LOG.write(entry)
        except TrailUnavailable as error:
            raise Close(CLOSE_UNNOTED, TrailUnavailable.code) from error

    async def _read(self) -> Close:
        while True:
            frame = _understood(await self._hear())
            self.heard_at = time.monotonic()
            match frame:
                case Ack(s, q):
                    place = self._place(s)
                    place.acknowledge(q)
                    self.dirty.set()
                    await self._tell_proved(place, q)
                case Resync(s, after):
                    self._place(s).resync(after)
                    self.dirty.set()
                case Pong():
                    self.pings_open = 0
                case Reauth(ticket):
                    await self._renew(ticket)
                case Hello():
                    return Close(CLOSE_MALFORMED, "one hello only")
                case _ as never:
                    assert_never(never)

    async def _hear(self) -> str:
        """The next frame. Who says too much is read more slowly, and the line itself holds it back."""
        frame = [Demand("frame", self.limits.frames)]
        wait_s = self.heard.take(frame)
        if wait_s > 0:
            await asyncio.sleep(wait_s)
            self.heard.take(frame)
        return await self.receive()

    def _place(self, stream: str) -> Place:
        place = self.places.get(stream)
        if place is None:
            raise Close(CLOSE_MALFORMED, "not a stream of this connection")
        return place

    async def _renew(self, ticket: str) -> None:
        renewed = await use_ticket(self.hub.actor, ticket=ticket)
        if renewed is None or renewed.actor.id != self.actor.id or renewed.actor.kind != self.actor.kind:
            raise Close(CLOSE_AUTH, "ticket refused")
        # The new login may reach less than the old one: a display that was moved stands elsewhere now.
        for place in self.places.values():
            if not await may_join(renewed.actor, place.kind, place.owner_id):
                raise Close(CLOSE_FORBIDDEN, "stream refused")
        if renewed.actor.session_id != self.actor.session_id:
            for place in self.places.values():
                place.forget_noted()
        self.listener = renewed

    async def _tell_proved(self, place: Place, seq: int) -> None:
        """Say what has arrived. While the ledger is away it stays unsaid, and the heartbeat says it."""
        arrived = place.proved(seq)
        if arrived and place.kind.arrived is not None:
            with contextlib.suppress(*LEDGER_AWAY):
                await place.kind.arrived(self.actor, arrived)
                place.tell_proved(seq)

    async def _write(self) -> Close:
        while True:
            await self.dirty.wait()
            self.dirty.clear()
            try:
                for place in list(self.places.values()):
                    await place.pump(self._send)
            except NotFound:
                return Close(CLOSE_FORBIDDEN, "stream refused")  # allowed, but there is no such place
            except LEDGER_AWAY:
                log.warning("rt_waits_for_ledger")
                await asyncio.sleep(RETRY_SECONDS)
                self.dirty.set()

    async def _keep_alive(self) -> Close:
        number = 0
        while True:
            # Never later than promised: the least earliness is what asking the ledger may take.
            early_s = random.uniform(self.limits.jitter_s / 4, self.limits.jitter_s)  # noqa: S311 - spreads the load
            await asyncio.sleep(self.limits.heartbeat_s - early_s)
            if self.pings_open >= self.limits.pongs_missed_max:
                return Close(CLOSE_SLOW, "no pong")
            if not await self._is_welcome():
                return Close(CLOSE_AUTH, "login ended")
            for place in self.places.values():
                await self._tell_proved(place, place.acked)
            number += 1
            self.pings_open += 1
            await self._send(write_frame(Ping(number)))

    async def _is_welcome(self) -> bool:
        assert self.listener is not None
        if clock.wall() >= self.listener.token_exp:
            return False
        try:
            return await still_welcome(self.hub.actor, listener=self.listener)
        except LEDGER_AWAY:
            return True  # nobody can be asked now; the watchdog ends it all if that lasts

    def end_if_stuck(self) -> None:
        if any(place.is_stuck() for place in self.places.values()):
            self.end(Close(CLOSE_SLOW, "no progress"))

    async def _send(self, text: str) -> None:
        try:
            await asyncio.wait_for(self.send_text(text), self.limits.send_s)
            FRAMES.inc()
        except TimeoutError as error:
            raise Close(CLOSE_SLOW, "not reading") from error
        except (OSError, RuntimeError) as error:
            raise Left from error

    def end(self, close: Close) -> None:
        if not self.ended.done():
            self.ended.set_result(close)

    async def say_bye(self) -> None:
        """Tell the client to come back after a time of its own, so that not all return at once."""
        if self.ended.done():
            return
        retry_ms = random.randrange(self.limits.retry_ms_max)  # noqa: S311 - spreads the load
        with contextlib.suppress(TimeoutError, OSError, RuntimeError):
            await asyncio.wait_for(self.send_text(write_frame(Bye(retry_ms))), BYE_SECONDS_MAX)
        self.end(Close(CLOSE_DRAIN, "the server stops"))

    def cursors(self, *, leaving: bool = False) -> dict[tuple[str, str], Cursor]:
        """What is to be written of this client: what it acknowledged, and on whose presence others rely.

        A client that has been silent for too long is not present, however open its socket looks.
        """
        present = time.monotonic() - self.heard_at < PRESENT_SECONDS
        found: dict[tuple[str, str], Cursor] = {}
        for stream, place in self.places.items():
            relied_on = place.kind.arrived is not None and present
            if relied_on or place.confirmed != place.noted:
                place.noted = place.confirmed
                found[self.client_id, stream] = Cursor(place.confirmed, present and not leaving)
        return found


def _understood(text: str) -> ClientFrame:
    try:
        return read_frame(text)
    except msgspec.MsgspecError as error:
        raise Close(CLOSE_MALFORMED, "not a frame of hosp.rt.v1") from error

"""One watched task per process that follows all locally heard streams, and tells their sockets."""

import asyncio
import contextlib
import contextvars
import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from prometheus_client import Counter, Gauge

from app.kernel.actor import Actor, system
from app.kernel.hints import Wakeups
from app.kernel.tasks import Watched
from notifications.history import (
    EVENTS_MAX,
    LEDGER_AWAY,
    Cursor,
    Head,
    Picture,
    Stored,
    ensure_head,
    events_after,
    heads,
    note_cursors,
    picture_of,
)
from notifications.limits import LIMITS, Limits
from notifications.lines import Lines
from notifications.streams import StreamKind

if TYPE_CHECKING:
    from notifications.place import Place
    from notifications.session import Session

GO_SECONDS_MAX = 0.5

log = structlog.get_logger()

SOCKETS = Gauge("jiuyi_rt_sockets", "Open realtime connections", ["kind"])
UNACKNOWLEDGED = Gauge("jiuyi_rt_unacknowledged", "Events under way that no client has acknowledged yet")
BEHIND = Gauge("jiuyi_rt_behind", "Events that wait in the ledger until their socket has room for them")
LOOK_AGE = Gauge("jiuyi_rt_look_age_seconds", "How long the hub has not seen the ledger")
EVENTS = Counter("jiuyi_rt_events_total", "Events taken from the ledger")
HOLES = Counter("jiuyi_rt_holes_total", "Times the ledger did not hold what a feed needed next")


class Feed:
    """What this process knows of one stream: its head and the newest events, for all who hear it."""

    def __init__(self, head: Head) -> None:
        self.stream = head.stream
        self.epoch: UUID = head.epoch
        self.seq = head.seq
        self.recent: deque[Stored] = deque(maxlen=EVENTS_MAX)
        self.sessions: set[Session] = set()
        self.picture: asyncio.Task[Picture] | None = None
        self.pictured_at = 0.0

    def after(self, seq: int) -> list[Stored] | None:
        """The events behind `seq` if they are all at hand, else None: ask the ledger."""
        if seq >= self.seq:
            return []
        if not self.recent or self.recent[0].seq > seq + 1:
            return None
        return [event for event in self.recent if event.seq > seq]

    def take(self, events: list[Stored]) -> bool:
        """Append what follows without a hole; False where the first does not."""
        if not events or events[0].seq != self.seq + 1:
            return False
        self.recent.extend(events)
        self.seq = events[-1].seq
        EVENTS.inc(len(events))
        return True

    def start_over(self, head: Head) -> None:
        """Stand at `head` with nothing at hand: sockets that need what lies before get a snapshot."""
        self.epoch, self.seq = head.epoch, head.seq
        self.recent.clear()
        self.picture = None

    def wake(self) -> None:
        for session in self.sessions:
            session.dirty.set()


class Hub:
    """Streams to sockets. The ledger is the truth: a hint only shortens the wait for the next look."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self.actor = system("hub")
        self.feeds: dict[str, Feed] = {}
        self.sessions: dict[str, Session] = {}  # by client: a newer one replaces its older self
        self.sockets = Lines()  # by the address they come from, greeted or not
        self.screens = Lines()  # by the actor who was greeted
        self.watched = Watched()
        self.wakeups = Wakeups()
        self.news: dict[tuple[str, str], Cursor] = {}
        self.has_news = asyncio.Event()
        self.empty = asyncio.Event()
        self.looked_at = time.monotonic()

    def start(self) -> None:
        self.looked_at = time.monotonic()
        UNACKNOWLEDGED.set_function(lambda: sum(place.unacknowledged() for place in self.places()))
        BEHIND.set_function(lambda: sum(place.behind() for place in self.places()))
        LOOK_AGE.set_function(lambda: time.monotonic() - self.looked_at)
        # asyncio binds these to the loop that first waits for them.
        self.wakeups, self.has_news, self.empty = Wakeups(), asyncio.Event(), asyncio.Event()
        self.empty.set()
        self.watched.start("hub:hints", self.wakeups.listen)
        self.watched.start("hub:follow", self._follow)
        self.watched.start("hub:watchdog", self._watch)
        self.watched.start("hub:presence", self._note_presence)

    async def stop(self) -> None:
        await self.drain()
        await self.watched.stop()
        self.feeds.clear()

    def places(self) -> Iterator["Place"]:
        return (place for session in self.sessions.values() for place in session.places.values())

    def is_live(self) -> bool:
        return time.monotonic() - self.looked_at < self.limits.live_s

    async def close(self) -> None:
        """Before the server stops: everybody is told, and has a moment to go."""
        await self.drain()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.empty.wait(), GO_SECONDS_MAX)

    async def drain(self) -> None:
        """Send everybody away, each with a wait of its own."""
        sessions = list(self.sessions.values())
        await asyncio.gather(*(session.say_bye() for session in sessions), return_exceptions=True)

    def enter(self, session: "Session") -> "Session | None":
        """Add a session; the older one of the same client, which it replaces, returns."""
        older = self.sessions.get(session.client_key)
        self.screens.add(str(session.actor))
        self.sessions[session.client_key] = session
        self.empty.clear()
        SOCKETS.labels(session.actor.kind).inc()
        return older

    def has_room_for(self, actor: Actor, *, client_key: str) -> bool:
        """Whether the actor may have one screen more; a newer self of a known client always may."""
        return client_key in self.sessions or self.screens.of(str(actor)) < self.limits.sockets_each_actor_max

    def leave(self, session: "Session") -> None:
        self.screens.drop(str(session.actor))
        replaced = self.sessions.get(session.client_key) is not session
        if not replaced:
            del self.sessions[session.client_key]
            self.tell_presence(session.cursors(leaving=True))
        if not self.sessions:
            self.empty.set()
        SOCKETS.labels(session.actor.kind).dec()
        for stream in session.places:
            feed = self.feeds.get(stream)
            if feed is not None:
                feed.sessions.discard(session)
                if not feed.sessions:
                    del self.feeds[stream]

    async def attach(self, session: "Session", stream: str) -> tuple[Feed, Head]:
        """The feed of a stream, which may be a moment behind, and the ledger's own head."""
        head = await ensure_head(self.actor, stream=stream)
        feed = self.feeds.setdefault(stream, Feed(head))
        feed.sessions.add(session)
        return feed, head

    async def picture(self, feed: Feed, kind: StreamKind, owner_id: UUID) -> Picture:
        """State and number of one moment. When everybody comes back at once they share one."""
        taken = feed.picture
        failed = taken is not None and taken.done() and (taken.cancelled() or taken.exception() is not None)
        if taken is None or failed or time.monotonic() - feed.pictured_at > self.limits.picture_s:
            taking = picture_of(self.actor, stream=feed.stream, owner_id=owner_id, state=kind.state)
            taken = asyncio.get_running_loop().create_task(taking, context=contextvars.Context())
            feed.picture, feed.pictured_at = taken, time.monotonic()
        return await asyncio.shield(taken)

    async def _follow(self) -> None:
        while True:
            try:
                more = await self.look()
            except LEDGER_AWAY as error:
                # Not left to the watcher, whose pauses grow: who comes back first would find us blind.
                log.warning("hub_cannot_look", error=type(error).__name__)
                await asyncio.sleep(self.limits.poll_s)
            else:
                if not more:
                    await self.wakeups.wait("rt:*", poll_s=self.limits.poll_s)

    async def look(self) -> bool:
        """Take what is new on all local streams, in two round trips at most. Whether there is more."""
        followed = dict(self.feeds)
        behind: dict[Feed, Head] = {}
        for head in await heads(self.actor, streams=list(followed)):
            feed = followed[head.stream]
            if feed.epoch != head.epoch:
                feed.start_over(head)
                feed.wake()
            elif feed.seq < head.seq:
                behind[feed] = head
        if behind:
            await self._take(behind)
        self.looked_at = time.monotonic()
        return any(feed.seq < head.seq for feed, head in behind.items())

    async def _take(self, behind: dict[Feed, Head]) -> None:
        found = await events_after(self.actor, wanted=[(feed.stream, feed.seq) for feed in behind])
        for feed, head in behind.items():
            if not feed.take(found.get(feed.stream, [])):
                HOLES.inc()  # retention was faster than we: standing still would be for ever
                feed.start_over(head)
            feed.wake()

    async def _watch(self) -> None:
        """Who does not read is sent away; and a hub that cannot look must not look alive."""
        while True:
            await asyncio.sleep(self.limits.watch_s)
            for session in list(self.sessions.values()):
                session.end_if_stuck()
            if time.monotonic() - self.looked_at > self.limits.silent_s:
                await self.drain()

    def tell_presence(self, cursors: dict[tuple[str, str], Cursor]) -> None:
        """Have these written at once: an alert may ask in the next moment whether somebody listens."""
        self.news |= cursors
        self.has_news.set()

    async def _note_presence(self) -> None:
        due = time.monotonic()
        while True:
            news, self.news = self.news, {}
            if time.monotonic() >= due:
                due = time.monotonic() + self.limits.presence_s
                for session in self.sessions.values():
                    news |= session.cursors()
            if news:
                await note_cursors(self.actor, cursors=news)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.has_news.wait(), max(0.0, due - time.monotonic()))
            self.has_news.clear()


HUB = Hub()

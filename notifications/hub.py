"""One watched task per process that follows all locally heard streams, and tells their sockets."""

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING
from uuid import UUID

from prometheus_client import Counter, Gauge

from app.kernel.actor import system
from app.kernel.hints import Wakeups
from app.kernel.tasks import Watched
from notifications.history import (
    EVENTS_MAX,
    Head,
    Stored,
    ensure_head,
    events_after,
    heads,
    note_cursors,
)

if TYPE_CHECKING:
    from notifications.session import Session

POLL_SECONDS = 0.5
LIVE_SECONDS = 4.0  # /readyz asks: without a good look for so long we are not ready
SILENT_SECONDS_MAX = 10.0  # sockets are closed then, so that their owners notice and go elsewhere
PRESENCE_SECONDS = 5.0
SOCKETS_MAX = 6000

ACTOR = system("hub")
SOCKETS = Gauge("jiuyi_rt_sockets", "Open realtime connections")
EVENTS = Counter("jiuyi_rt_events_total", "Events taken from the ledger")


class Feed:
    """What this process knows of one stream: its head and the newest events, for all who hear it."""

    def __init__(self, head: Head) -> None:
        self.stream = head.stream
        self.epoch: UUID = head.epoch
        self.seq = head.seq
        self.recent: deque[Stored] = deque(maxlen=EVENTS_MAX)
        self.sessions: set[Session] = set()

    def after(self, seq: int) -> list[Stored] | None:
        """The events behind `seq` if they are all at hand, else None: ask the ledger."""
        if seq >= self.seq:
            return []
        if not self.recent or self.recent[0].seq > seq + 1:
            return None
        return [event for event in self.recent if event.seq > seq]


class Hub:
    """Streams to sockets. The ledger is the truth: a hint only shortens the wait for the next look."""

    def __init__(self) -> None:
        self.feeds: dict[str, Feed] = {}
        self.sessions: set[Session] = set()
        self.watched = Watched()
        self.wakeups = Wakeups()
        self.looked_at = time.monotonic()

    def start(self) -> None:
        self.looked_at = time.monotonic()
        self.watched.start("hub:hints", self.wakeups.listen)
        self.watched.start("hub:follow", self._follow)
        self.watched.start("hub:watchdog", self._watch)
        self.watched.start("hub:presence", self._note_presence)

    async def stop(self) -> None:
        await self.drain()
        await self.watched.stop()
        self.feeds.clear()

    def is_live(self) -> bool:
        return time.monotonic() - self.looked_at < LIVE_SECONDS

    async def drain(self) -> None:
        """Send everybody away with a wait of their own, before the server stops."""
        await asyncio.gather(*(session.say_bye() for session in list(self.sessions)), return_exceptions=True)

    def enter(self, session: "Session") -> "Session | None":
        """Add a session; the older one of the same client, which it replaces, returns."""
        older = next((s for s in self.sessions if s.client_key == session.client_key), None)
        self.sessions.add(session)
        SOCKETS.set(len(self.sessions))
        return older

    def leave(self, session: "Session") -> None:
        self.sessions.discard(session)
        SOCKETS.set(len(self.sessions))
        for stream in session.places:
            feed = self.feeds.get(stream)
            if feed is not None:
                feed.sessions.discard(session)
                if not feed.sessions:
                    del self.feeds[stream]

    async def attach(self, session: "Session", stream: str) -> Feed:
        head = await ensure_head(ACTOR, stream=stream)
        feed = self.feeds.setdefault(stream, Feed(head))
        feed.sessions.add(session)
        return feed

    async def _follow(self) -> None:
        while True:
            await self.look()
            await self.wakeups.wait("*", poll_s=POLL_SECONDS)

    async def look(self) -> None:
        """Take what is new on all local streams, in two round trips at most."""
        newest = await heads(ACTOR, streams=list(self.feeds))
        behind: list[Feed] = []
        for head in newest:
            feed = self.feeds.get(head.stream)
            if feed is None or (feed.epoch == head.epoch and feed.seq >= head.seq):
                continue
            if feed.epoch != head.epoch:
                feed.epoch, feed.seq = head.epoch, head.seq
                feed.recent.clear()
                self._wake(feed)
            else:
                behind.append(feed)
        if behind:
            await self._take(behind)
        self.looked_at = time.monotonic()

    async def _take(self, behind: list[Feed]) -> None:
        found = await events_after(ACTOR, wanted=[(feed.stream, feed.seq) for feed in behind])
        for feed in behind:
            for event in found.get(feed.stream, []):
                if event.seq == feed.seq + 1:
                    feed.recent.append(event)
                    feed.seq = event.seq
                    EVENTS.inc()
            self._wake(feed)

    def _wake(self, feed: Feed) -> None:
        for session in feed.sessions:
            session.dirty.set()

    async def _watch(self) -> None:
        """A hub that cannot look must not look alive: its sockets are closed."""
        while True:
            await asyncio.sleep(1)
            if time.monotonic() - self.looked_at > SILENT_SECONDS_MAX:
                await self.drain()

    async def _note_presence(self) -> None:
        while True:
            cursors = [c for session in list(self.sessions) for c in session.cursors()]
            if cursors:
                await note_cursors(ACTOR, cursors=cursors)
            await asyncio.sleep(PRESENCE_SECONDS)


HUB = Hub()

"""Where one socket stands in one stream: what was sent, what has arrived, and what comes next."""

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from notifications.frames import Gap, Snap, write_frame
from notifications.history import Head, Stored, events_after
from notifications.streams import StreamKind

if TYPE_CHECKING:
    from notifications.hub import Feed, Hub

Send = Callable[[str], Awaitable[None]]
NoteShown = Callable[[StreamKind, list[UUID]], Awaitable[None]]


class Place:
    """At most `window` events are under way; the rest waits in the ledger, so nothing can be dropped."""

    def __init__(
        self,
        hub: "Hub",
        feed: "Feed",
        kind: StreamKind,
        owner_id: UUID,
        *,
        window: int,
        note_shown: NoteShown,
    ) -> None:
        self.hub = hub
        self.feed = feed
        self.kind = kind
        self.owner_id = owner_id
        self.window = window
        self.epoch = feed.epoch
        self.sent: int | None = None  # None: a snapshot is due
        self.acked = 0
        self.confirmed = 0  # `acked` as the client said it; a snapshot also moves `acked`
        self.noted = 0  # what of `confirmed` is written down
        self.progress_at = time.monotonic()
        self.note_shown = note_shown
        self.noted_persons: set[UUID] = set()
        self.unproved: dict[int, list[str]] = {}  # what an acknowledgement of this number proves to be there

    def resume(self, head: Head, *, epoch: UUID | None, after: int | None) -> bool:
        """Go on behind `after`, if the ledger is sure to hold what follows. `head` is the ledger's own,
        because the feed may be a moment behind what the client has heard elsewhere.
        """
        if epoch != head.epoch or epoch != self.feed.epoch or after is None:
            return False
        if not 0 <= head.seq - after <= self.hub.limits.resume_max:
            return False
        self.sent = self.acked = after
        return True

    def resync(self, after: int) -> None:
        """The client has everything up to `after` and saw a hole behind it."""
        if self.sent is None or not 0 <= after <= self.sent:
            self.sent = None
            return
        self.sent = after
        self.acked = min(self.acked, after)

    def acknowledge(self, seq: int) -> None:
        if self.sent is None or seq > self.sent:
            return
        self.confirmed = max(self.confirmed, seq)
        if seq > self.acked:
            self.acked = seq
            self.progress_at = time.monotonic()

    def proved(self, seq: int) -> list[str]:
        """What has arrived by an acknowledgement of `seq`, and has not been told on yet."""
        return [ref for q, refs in sorted(self.unproved.items()) if q <= seq for ref in refs]

    def tell_proved(self, seq: int) -> None:
        self.unproved = {q: refs for q, refs in self.unproved.items() if q > seq}

    def room(self) -> int:
        assert self.sent is not None
        return self.window - (self.sent - self.acked)

    def unacknowledged(self) -> int:
        return 0 if self.sent is None else self.sent - self.acked

    def behind(self) -> int:
        """What the stream has and this socket was not sent; a snapshot that is due counts as nothing."""
        return 0 if self.sent is None else max(0, self.feed.seq - self.sent)

    def is_stuck(self) -> bool:
        """A full window that does not move. Not acknowledging a little is nobody's harm."""
        if self.sent is None or self.room() > 0:
            return False
        return time.monotonic() - self.progress_at > self.hub.limits.progress_s

    async def pump(self, send: Send) -> None:
        """Send what the client's window has room for."""
        if self.sent is not None and self.epoch != self.feed.epoch:
            await self._start_over(send)
        if self.sent is None:
            await self._show(send)
        while self.sent is not None and self.epoch == self.feed.epoch:
            if self.sent >= self.feed.seq or self.room() <= 0:
                return
            if not await self._go_on(send):
                self.feed.picture = None  # it may be older than the hole
                await self._start_over(send)
                await self._show(send)
                return

    async def _go_on(self, send: Send) -> bool:
        """Send the next events; False where the ledger does not hold them any more."""
        assert self.sent is not None
        after = self.sent
        events = self.feed.after(after)
        if events is None:
            events = await self._from_ledger(after)
        if not events or events[0].seq != after + 1:
            return self.sent != after  # a resync came in between: that was another question
        due = events[: self.room()]
        await self._note(person for event in due for person in event.persons)
        for event in due:
            if event.seq - 1 != self.sent:
                break  # the same
            if self.sent == self.acked:
                self.progress_at = time.monotonic()
            if event.ref_id is not None:
                self.unproved[event.seq] = [event.ref_id]
            self.sent = event.seq
            await send(event.frame)
        return True

    async def _from_ledger(self, after: int) -> list[Stored]:
        found = await events_after(self.hub.actor, wanted=[(self.feed.stream, after)])
        return found.get(self.feed.stream, [])

    async def _start_over(self, send: Send) -> None:
        assert self.sent is not None
        gap = Gap(self.feed.stream, self.sent, self.feed.seq, self.feed.epoch)
        self.sent = None
        await send(write_frame(gap))

    async def _show(self, send: Send) -> None:
        """The state and the number up to which it holds."""
        picture = await self.hub.picture(self.feed, self.kind, self.owner_id)
        await self._note(picture.persons)
        head, state = picture.head, picture.state
        self.epoch = head.epoch
        self.sent = self.acked = head.seq
        self.progress_at = time.monotonic()
        if refs := self.kind.shown(state):
            self.unproved[head.seq] = refs
        await send(write_frame(Snap(head.stream, head.epoch, head.seq, msgspec.to_builtins(state))))

    async def _note(self, persons: Iterable[UUID]) -> None:
        """Whoever appears on this screen for the first time since it joined is written down before."""
        new = [person for person in dict.fromkeys(persons) if person not in self.noted_persons]
        if new:
            await self.note_shown(self.kind, new)
            self.noted_persons.update(new)

    def forget_noted(self) -> None:
        """Somebody else's login looks on: for it everybody appears for the first time."""
        self.noted_persons.clear()

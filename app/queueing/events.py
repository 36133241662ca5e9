"""What queueing tells. Facts carry ids and places, never a name."""

from uuid import UUID

import msgspec

from app.kernel.events import fact


@fact(kind="ticket.issued", aggregate="ticket", key="ticket_id")
class TicketIssued(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody joined a queue, or joined it again after a miss or a test."""

    ticket_id: UUID
    queue_id: UUID
    person_id: UUID
    zone_id: UUID | None
    window_id: UUID | None
    subject_kind: str
    subject_id: UUID


@fact(kind="ticket.called", aggregate="ticket", key="ticket_id")
class TicketCalled(msgspec.Struct, frozen=True, kw_only=True):
    """A call, or a repeated one: a display speaks each (`call_id`, `repeat_no`) at most once."""

    ticket_id: UUID
    call_id: UUID
    repeat_no: int
    person_id: UUID
    room_id: UUID | None
    zone_id: UUID | None
    window_id: UUID | None
    subject_kind: str
    subject_id: UUID


@fact(kind="ticket.started", aggregate="ticket", key="ticket_id")
class TicketStarted(msgspec.Struct, frozen=True, kw_only=True):
    ticket_id: UUID
    person_id: UUID
    room_id: UUID | None


@fact(kind="ticket.missed", aggregate="ticket", key="ticket_id")
class TicketMissed(msgspec.Struct, frozen=True, kw_only=True):
    ticket_id: UUID
    person_id: UUID
    misses: int
    abandoned: bool


@fact(kind="ticket.finished", aggregate="ticket", key="ticket_id")
class TicketFinished(msgspec.Struct, frozen=True, kw_only=True):
    ticket_id: UUID
    person_id: UUID
    out_for_test: bool


@fact(kind="queue.changed", aggregate="zone_queue", key="zone_id")
class QueueChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The boards of this zone, and of the rooms named, show something old now.

    `reason`: joined | called | recalled | started | missed | finished | undone | moved. When it is a
    call, `ticket_id`, `call_id` and `repeat_no` say which.
    """

    zone_id: UUID
    reason: str
    queue_id: UUID
    room_ids: list[UUID]
    ticket_id: UUID | None = None
    call_id: UUID | None = None
    repeat_no: int = 0


@fact(kind="window_queue.changed", aggregate="window_queue", key="window_id")
class WindowQueueChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The same for the board of one service window."""

    window_id: UUID
    reason: str
    queue_id: UUID
    ticket_id: UUID | None = None
    call_id: UUID | None = None
    repeat_no: int = 0

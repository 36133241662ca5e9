"""Failures for those who run the house: what failed, how often and since when, never what it was about."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.kernel.actor import Actor
from app.kernel.events import Lane
from app.kernel.http import PAGE_MAX
from app.kernel.idempotency import Command, once
from app.letters.deciding import retry_letter, retry_letters, set_letter_aside, wake_relay
from app.letters.queries import (
    DecisionView,
    LetterView,
    Listed,
    Source,
    StuckEventView,
    decisions,
    letter,
    letters,
    retried_by,
    stuck_events,
    workers_alive,
)
from app.letters.rules import REASON_LENGTH_MAX, RETRY_ALL_MAX

Reason = Annotated[str, msgspec.Meta(max_length=REASON_LENGTH_MAX)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
Filter = Annotated[str | None, QueryParameter(max_length=80)]


class Why(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Reason


class RetryAll(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All dead ones of `kind`; of deliveries also only those of one subscriber."""

    source: Source
    kind: Name
    subscriber: Name | None = None
    reason: Reason


class WakeLane(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    lane: Lane
    reason: Reason


class Letters(msgspec.Struct, frozen=True):
    items: list[LetterView]
    next: UUID | None


class Story(msgspec.Struct, frozen=True):
    """A letter and what was decided about it."""

    letter: LetterView
    decisions: list[DecisionView]


class Retried(msgspec.Struct, frozen=True):
    """`more` says that the bound was reached: ask again for the rest."""

    decision_id: UUID
    letter_ids: list[UUID]
    more: bool


class StuckEvents(msgspec.Struct, frozen=True):
    """`next` is what to pass as `after`: a position, which is only an order.

    Where no worker is alive nobody relays, and waking helps nothing: it must be started.
    """

    workers_alive: int
    items: list[StuckEventView]
    next: int | None


class Woken(msgspec.Struct, frozen=True):
    decision_id: UUID


@get("/dead-letters", permission="letter.list")
async def list_letters(
    actor: NamedDependency[Actor],
    status: Annotated[Listed, QueryParameter()] = Listed.DEAD,
    source: Annotated[Source | None, QueryParameter()] = None,
    kind: Filter = None,
    subscriber: Filter = None,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)] = 50,
    after: Annotated[UUID | None, QueryParameter()] = None,
) -> Letters:
    """Facts that a subscriber could not hear and jobs that failed, oldest first."""
    found = await letters(
        actor, status=status, source=source, kind=kind, subscriber=subscriber, limit=limit, after=after
    )
    return Letters(found, next=found[-1].id if len(found) == limit else None)


@get("/dead-letters/{letter_id:uuid}", permission="letter.read")
async def read_letter(letter_id: FromPath[UUID], actor: NamedDependency[Actor]) -> Story:
    """Whatever has become of it since."""
    shown = await letter(actor, letter_id=letter_id)
    return Story(shown, await decisions(actor, letter_id=letter_id))


@post("/dead-letters/{letter_id:uuid}/retry", status_code=200, permission="letter.retry")
async def retry_one(
    letter_id: FromPath[UUID],
    data: JSONBody[Why],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> LetterView:
    await once(asked, retry_letter, actor, letter_id=letter_id, reason=data.reason)
    return await letter(actor, letter_id=letter_id)


@post("/dead-letters/retry", status_code=200, permission="letter.retry")
async def retry_all(
    data: JSONBody[RetryAll], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> Retried:
    """At most RETRY_ALL_MAX at once, so that what breaks again breaks in a bounded number."""
    decision_id = await once(
        asked,
        retry_letters,
        actor,
        source=data.source,
        kind=data.kind,
        subscriber=data.subscriber,
        reason=data.reason,
    )
    moved = await retried_by(actor, decision_id=decision_id)
    return Retried(decision_id, moved, more=len(moved) == RETRY_ALL_MAX)


@post("/dead-letters/{letter_id:uuid}/set-aside", status_code=200, permission="letter.set_aside")
async def set_aside(
    letter_id: FromPath[UUID],
    data: JSONBody[Why],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> LetterView:
    await once(asked, set_letter_aside, actor, letter_id=letter_id, reason=data.reason)
    return await letter(actor, letter_id=letter_id)


@get("/stuck-events", permission="outbox.list")
async def list_stuck(
    actor: NamedDependency[Actor],
    lane: Annotated[Lane | None, QueryParameter()] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)] = 50,
    after: Annotated[int | None, QueryParameter()] = None,
) -> StuckEvents:
    """Facts that no relay has taken up for a minute."""
    found = await stuck_events(actor, lane=lane, limit=limit, after=after)
    alive = await workers_alive(actor)
    return StuckEvents(alive, found, next=found[-1].position if len(found) == limit else None)


@post("/stuck-events/wake", status_code=200, permission="outbox.wake")
async def wake_lane(
    data: JSONBody[WakeLane], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> Woken:
    return Woken(await once(asked, wake_relay, actor, lane=data.lane, reason=data.reason))


router = Router(
    path="/api/staff/v1",
    route_handlers=[list_letters, read_letter, retry_one, retry_all, set_aside, list_stuck, wake_lane],
    tags=["letters"],
)

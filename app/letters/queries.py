"""What waits for a person: dead letters, failed jobs, facts that no relay takes up."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import asyncpg
import msgspec

from app.kernel.actor import Actor
from app.kernel.database import fetch, fetch_one, fetch_value, query
from app.kernel.errors import NotFound
from app.kernel.events import Lane
from app.letters.rules import STUCK_SECONDS, shown_error
from app.metrics.processes import ProcessKind
from app.metrics.questions import ALIVE_SECONDS

DECISIONS_MAX = 100


class LetterNotFound(NotFound):
    code = "letter_not_found"
    message = "没有找到该失败事项，请刷新列表后重试。"


class DecisionNotFound(NotFound):
    code = "letter_decision_not_found"
    message = "没有找到该次处理记录，请刷新列表后重试。"


class Source(StrEnum):
    """A fact that a subscriber could not hear, or an effect outside that did not come about."""

    DELIVERY = "delivery"
    JOB = "job"


class Listed(StrEnum):
    """What is listed: what nobody tries any more, what is still tried after failing, what was given up."""

    DEAD = "dead"
    FAILING = "failing"
    ASIDE = "aside"


class LetterView(msgspec.Struct, frozen=True, kw_only=True):
    """One failure, without what it was about. Of a job, `subscriber` and `lane` are empty.

    `waiting_behind` later facts of the aggregate are held up by it; `gone_ahead` have overtaken it.
    """

    id: UUID
    source: Source
    status: str
    kind: str
    subscriber: str
    lane: str
    aggregate: str
    aggregate_id: UUID | None
    since: datetime
    age_seconds: int
    attempts: int
    last_error: str
    request_id: str
    waiting_behind: int
    gone_ahead: int


class DecisionView(msgspec.Struct, frozen=True, kw_only=True):
    """Who decided what about a letter, when and why."""

    decision_id: UUID
    kind: str
    staff_id: UUID | None
    at: datetime
    reason: str


class StuckEventView(msgspec.Struct, frozen=True, kw_only=True):
    position: int
    event_id: UUID
    lane: Lane
    kind: str
    aggregate: str
    aggregate_id: UUID
    since: datetime
    age_seconds: int
    request_id: str


LETTERS = "SELECT * FROM jiuyi.letters($1, $2, $3, $4, $5, $6, $7)"


@query
async def letters(
    actor: Actor,
    *,
    status: Listed,
    source: Source | None,
    kind: str | None,
    subscriber: str | None,
    limit: int,
    after: UUID | None,
) -> list[LetterView]:
    """Oldest first."""
    rows = await fetch(LETTERS, None, str(status), source, kind, subscriber, after, limit)
    return [_letter(row) for row in rows]


@query
async def letter(actor: Actor, *, letter_id: UUID) -> LetterView:
    """One of them, whatever has become of it since."""
    row = await fetch_one(LETTERS, letter_id, "", None, None, None, None, 1)
    if row is None:
        raise LetterNotFound(letter_id=letter_id)
    return _letter(row)


def _letter(row: asyncpg.Record) -> LetterView:
    return msgspec.convert({**dict(row), "last_error": shown_error(row["last_error"])}, LetterView)


@query
async def decisions(actor: Actor, *, letter_id: UUID) -> list[DecisionView]:
    """What was decided about a letter, oldest first."""
    rows = await fetch(
        "SELECT fact ->> 'decision_id' AS decision_id, kind, actor_id AS staff_id, at,"
        " fact ->> 'reason' AS reason FROM event"
        " WHERE aggregate_id = $1 AND aggregate = 'dead_letter' ORDER BY aggregate_version LIMIT $2",
        letter_id,
        DECISIONS_MAX,
    )
    return [msgspec.convert(dict(row), DecisionView) for row in rows]


@query
async def retried_by(actor: Actor, *, decision_id: UUID) -> list[UUID]:
    """The letters that one decision gave another chance."""
    told = await fetch_one(
        "SELECT fact -> 'letter_ids' AS ids FROM event"
        " WHERE aggregate_id = $1 AND kind = 'dead_letters.retried'",
        decision_id,
    )
    if told is None:
        raise DecisionNotFound(decision_id=decision_id)
    return msgspec.json.decode(told["ids"], type=list[UUID])


@query
async def stuck_events(
    actor: Actor, *, lane: Lane | None, limit: int, after: int | None
) -> list[StuckEventView]:
    """Facts older than STUCK_SECONDS that no relay has taken up, oldest first: it is away, or held up."""
    rows = await fetch(
        "SELECT * FROM jiuyi.stuck_events($1, $2 * interval '1 second', $3, $4)",
        lane,
        STUCK_SECONDS,
        after,
        limit,
    )
    return [msgspec.convert(dict(row), StuckEventView) for row in rows]


@query
async def workers_alive(actor: Actor) -> int:
    """The processes with relays that have been heard of in the last ALIVE_SECONDS."""
    return await fetch_value(
        "SELECT count(*) FROM process_beat WHERE kind = $1 AND beat_at > now() - $2 * interval '1 second'",
        str(ProcessKind.WORKER),
        ALIVE_SECONDS,
    )

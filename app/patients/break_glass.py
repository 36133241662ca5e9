"""Break-glass (紧急调阅): a doctor or nurse opens one patient without a relation, gives the reason, and is
reviewed by somebody else."""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from app.kernel.actor import Actor, ActorKind, system
from app.kernel.database import action, fetch, fetch_one, fetch_value, query
from app.kernel.errors import DomainError, Forbidden, Invalid, NotFound
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.patients.access import PersonNotFound, may_see, relate
from app.patients.events import BreakGlassOpened, BreakGlassOverdue, BreakGlassReviewed
from app.patients.masking import mask_text
from app.patients.queries import find_by_id_number
from app.patients.tables import BreakGlassReason, CareReason, Verdict

MINUTES = 30
REVIEW_HOURS = 24
OPEN_MAX = 3
DAY_MAX = 10
EXPLANATION_LENGTH = range(10, 201)
BATCH_MAX = 100


class OnlyStaffBreaksGlass(Forbidden):
    code = "only_staff_breaks_glass"
    message = "只有在岗医生和护士可以紧急调阅。"


class ExplanationNeeded(Invalid):
    code = "explanation_needed"
    message = "请用 10 到 200 个字说明紧急调阅的原因。"


class NoNeed(DomainError):
    code = "break_glass_not_needed"
    message = "您已经可以查看该患者，无需紧急调阅。"


class TooManyOpen(DomainError):
    code = "break_glass_limit"
    message = "您同时打开的紧急调阅或今日次数已达上限，请联系上级医师或安全管理员。"


class BreakGlassNotFound(NotFound):
    code = "break_glass_not_found"
    message = "没有找到这次紧急调阅，请刷新列表。"


class ReviewedAlready(DomainError):
    code = "break_glass_reviewed"
    message = "这次紧急调阅已经审核，请刷新列表查看结论。"


class OwnReview(Forbidden):
    code = "own_review"
    message = "不能审核自己的紧急调阅，请由另一位审计管理员审核。"


class BreakGlassView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    person_id: UUID
    staff_id: UUID
    staff_name: str
    staff_title: str
    reason: BreakGlassReason
    explanation: str
    opened_at: datetime
    ends_at: datetime
    review_by: datetime
    overdue: bool
    verdict: Verdict | None
    note: str
    reviewed_at: datetime | None


@action
async def break_glass(
    actor: Actor,
    *,
    person_id: UUID | None = None,
    id_number: str | None = None,
    reason: BreakGlassReason,
    explanation: str,
) -> UUID:
    """Let the acting staff member see one person for MINUTES. Open already, that one returns."""
    if actor.kind is not ActorKind.STAFF or actor.id is None:
        raise OnlyStaffBreaksGlass
    if len(explanation.strip()) not in EXPLANATION_LENGTH:
        raise ExplanationNeeded
    person_id = await _whom(actor, person_id, id_number)
    # The staff member's row orders their requests, so that the limits hold.
    await fetch_one("SELECT id FROM staff WHERE id = $1 FOR UPDATE", actor.id)
    if open_one := await _open_one(actor.id, person_id):
        return open_one
    if await may_see(actor, person_id=person_id):
        raise NoNeed(person_id=person_id)
    await _require_room(actor.id)
    # Who reviews it need not learn a number from it.
    return await _open(actor, actor.id, person_id, reason, mask_text(explanation.strip()))


async def _whom(actor: Actor, person_id: UUID | None, id_number: str | None) -> UUID:
    found = await find_by_id_number(actor, id_number=id_number) if id_number else person_id
    known = await fetch_value("SELECT jiuyi.same_person($1) WHERE jiuyi.is_person($1) LIMIT 1", found)
    if known is None:
        raise PersonNotFound
    return known


async def _open_one(staff_id: UUID, person_id: UUID) -> UUID | None:
    return await fetch_value(
        "SELECT id FROM break_glass WHERE staff_id = $1 AND person_id = $2 AND ends_at > jiuyi.now()",
        staff_id,
        person_id,
    )


async def _require_room(staff_id: UUID) -> None:
    counted = await fetch_one(
        "SELECT count(*) FILTER (WHERE ends_at > jiuyi.now()) AS open, count(*) AS day FROM break_glass"
        " WHERE staff_id = $1 AND opened_at > jiuyi.now() - interval '24 hours'",
        staff_id,
    )
    assert counted is not None
    if counted["open"] >= OPEN_MAX or counted["day"] >= DAY_MAX:
        raise TooManyOpen


async def _open(
    actor: Actor, staff_id: UUID, person_id: UUID, reason: BreakGlassReason, explanation: str
) -> UUID:
    row = await fetch_one(
        "INSERT INTO break_glass (id, person_id, staff_id, reason, explanation, opened_at, ends_at,"
        " review_by) VALUES ($1, $2, $3, $4, $5, jiuyi.now(), jiuyi.now() + $6 * interval '1 minute',"
        " jiuyi.now() + $7 * interval '1 hour') RETURNING id, ends_at",
        new_id(),
        person_id,
        staff_id,
        str(reason),
        explanation,
        MINUTES,
        REVIEW_HOURS,
    )
    assert row is not None
    await relate(
        actor, person_id=person_id, staff_id=staff_id, reason=CareReason.BREAK_GLASS, until=row["ends_at"]
    )
    await emit(actor, BreakGlassOpened(break_glass_id=row["id"], person_id=person_id, staff_id=staff_id))
    return row["id"]


@action
async def review_break_glass(actor: Actor, *, break_glass_id: UUID, verdict: Verdict, note: str = "") -> UUID:
    """Say whether it was right. Never who looked; once."""
    row = await fetch_one("SELECT * FROM break_glass WHERE id = $1 FOR UPDATE", break_glass_id)
    if row is None:
        raise BreakGlassNotFound(break_glass_id=break_glass_id)
    if row["staff_id"] == actor.id:
        raise OwnReview(break_glass_id=break_glass_id)
    if row["reviewed_at"] is not None:
        raise ReviewedAlready(break_glass_id=break_glass_id)
    await fetch_value(
        "UPDATE break_glass SET reviewed_by = $2, verdict = $3, note = $4, reviewed_at = jiuyi.now()"
        " WHERE id = $1",
        break_glass_id,
        actor.id,
        str(verdict),
        mask_text(note),
    )
    told = BreakGlassReviewed(break_glass_id=break_glass_id, person_id=row["person_id"], verdict=str(verdict))
    await emit(actor, told)
    return break_glass_id


VIEW = (
    "SELECT b.*, s.name AS staff_name, s.title AS staff_title,"
    " b.reviewed_at IS NULL AND b.review_by <= jiuyi.now() AS overdue"
    " FROM break_glass b JOIN staff s ON s.id = b.staff_id"
)


@query
async def break_glass_view(actor: Actor, *, break_glass_id: UUID) -> BreakGlassView:
    """For who opened it and who reviews; the route decides who that is."""
    row = await fetch_one(f"{VIEW} WHERE b.id = $1", break_glass_id)
    if row is None:
        raise BreakGlassNotFound(break_glass_id=break_glass_id)
    return _view(row)


def _view(row: asyncpg.Record) -> BreakGlassView:
    return msgspec.convert(dict(row), BreakGlassView)


@query
async def break_glass_list(
    actor: Actor, *, waiting: bool = True, limit: int = 50, after: UUID | None = None
) -> list[BreakGlassView]:
    """What waits for its review, or everything; the oldest first."""
    rows = await fetch(
        f"{VIEW} WHERE (NOT $1 OR b.reviewed_at IS NULL) AND ($2::uuid IS NULL OR b.id > $2)"
        " ORDER BY b.id LIMIT $3",
        waiting,
        after,
        min(limit, BATCH_MAX),
    )
    return [_view(row) for row in rows]


@query
async def break_glass_about(actor: Actor, *, person_id: UUID) -> list[BreakGlassView]:
    """Who opened this person, newest first. The caller has decided who may know."""
    rows = await fetch(
        f"{VIEW} WHERE b.person_id IN (SELECT jiuyi.same_person($1)) ORDER BY b.id DESC LIMIT $2",
        person_id,
        BATCH_MAX,
    )
    return [_view(row) for row in rows]


@query
async def open_until(actor: Actor, *, person_id: UUID) -> datetime | None:
    """Until when the acting staff member sees the person by break-glass; None where it is not by that."""
    return await fetch_value(
        "SELECT max(ends_at) FROM break_glass WHERE staff_id = $1 AND ends_at > jiuyi.now()"
        " AND person_id IN (SELECT jiuyi.same_person($2))",
        actor.id,
        person_id,
    )


async def tell_overdue() -> int:
    """The sweep: tell of every break-glass that nobody has reviewed in time, once each."""
    return await mark_overdue(system("break_glass"))


@action
async def mark_overdue(actor: Actor) -> int:
    rows = await fetch(
        "UPDATE break_glass SET overdue_at = jiuyi.now() WHERE id IN (SELECT id FROM break_glass"
        " WHERE reviewed_at IS NULL AND overdue_at IS NULL AND review_by <= jiuyi.now()"
        " ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING id",
        BATCH_MAX,
    )
    for row in rows:
        await emit(actor, BreakGlassOverdue(break_glass_id=row["id"]))
    return len(rows)

"""The hospital's answer to a request about one's own data: done step by step, or kept, with law and date."""

from enum import StrEnum
from uuid import UUID

import asyncpg

from app.kernel.actor import Actor, ActorKind, system
from app.kernel.crypto import encrypt
from app.kernel.database import action, because, fetch, fetch_one, fetch_value, query
from app.kernel.errors import Forbidden, Invalid
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.organization.queries import department
from app.patients.forgetting import correct_contact
from app.rights.events import RequestAnswered, RequestOverdue
from app.rights.removing import remove
from app.rights.requests import VIEW, AnsweredAlready, RequestNotFound, RequestView, view, wanted_of
from app.rights.rules import outcome
from app.rights.steps import Step
from app.rights.tables import REQUEST_FLOW, RequestKind, RequestStatus, StepKind, Topic
from app.rights.words import TOPICS

BATCH_MAX = 100
ANSWER_LENGTH = range(2, 501)


class AnswerNeeded(Invalid):
    code = "answer_needed"
    message = "请用 2 到 500 个字向患者说明答复和理由。"


class OwnRequest(Forbidden):
    code = "own_data_request"
    message = "登记申请的人不能自己答复，请由另一位工作人员答复。"


class DepartmentNeeded(Invalid):
    code = "department_needed"
    message = "病历内容只能由记录者本人核实修改，请选择转交的科室。"


class Decision(StrEnum):
    ACCEPT = "accept"
    REFUSE = "refuse"


@action
async def answer(
    actor: Actor,
    *,
    request_id: UUID,
    decision: Decision,
    text: str,
    department_id: UUID | None = None,
) -> UUID:
    """Once, by somebody else than who wrote the request down. What is accepted is done here and now.

    `department_id`: whose doctors look at what is said of the record; only its author amends it.
    """
    assert actor.kind is ActorKind.STAFF
    text = text.strip()
    if len(text) not in ANSWER_LENGTH:
        raise AnswerNeeded
    row = await fetch_one("SELECT * FROM data_request WHERE id = $1 FOR UPDATE", request_id)
    if row is None:
        raise RequestNotFound(data_request_id=request_id)
    if row["staff_id"] == actor.id:
        raise OwnRequest(data_request_id=request_id)
    if row["status"] != RequestStatus.RECEIVED:
        raise AnsweredAlready(data_request_id=request_id)
    await because(f"data_request {request_id}")
    steps = [] if decision is Decision.REFUSE else await _done(actor, row, department_id)
    await _close(actor, row, text, steps)
    return request_id


async def _done(actor: Actor, row: asyncpg.Record, department_id: UUID | None) -> list[Step]:
    topics = [Topic(topic) for topic in row["topics"]]
    if row["kind"] == RequestKind.DELETION:
        return await remove(actor, person_id=row["person_id"], topics=topics, asked_by=row["account_id"])
    if row["wanted"] is not None:
        # The old values stay in the record versions, for the audit.
        await correct_contact(actor, person_id=row["person_id"], contact=wanted_of(row))
    return [
        await _forwarded(actor, department_id)
        if topic is Topic.CLINICAL
        else Step(kind=StepKind.CORRECTED, topic=topic, text=f"{TOPICS[topic]}已更正", affected=1)
        for topic in topics
    ]


async def _forwarded(actor: Actor, department_id: UUID | None) -> Step:
    if department_id is None:
        raise DepartmentNeeded
    known = await department(actor, department_id=department_id)
    return Step(
        kind=StepKind.FORWARDED,
        topic=Topic.CLINICAL,
        text=f"已转交{known.name}：病历由记录者本人核实后修改，原文保留",
        department_id=department_id,
    )


async def _close(actor: Actor, row: asyncpg.Record, text: str, steps: list[Step]) -> None:
    ended = RequestStatus.REFUSED if not steps else outcome([step.kind for step in steps])
    await REQUEST_FLOW.move(
        row["id"],
        ended,
        answer=encrypt(text, context=f"data_request.answer.{row['id']}"),
        answered_by=actor.id,
        decided_at=await fetch_value("SELECT jiuyi.now()"),
    )
    for position, step in enumerate(steps):
        await _write_step(row["id"], position, step)
    told = RequestAnswered(
        data_request_id=row["id"],
        person_id=row["person_id"],
        account_id=row["account_id"],
        forget_messages=any(s.topic is Topic.MESSAGES and s.kind is StepKind.REMOVED for s in steps),
    )
    await emit(actor, told)


async def _write_step(request_id: UUID, position: int, step: Step) -> None:
    await fetch_value(
        "INSERT INTO data_request_step (id, request_id, position, kind, topic, text, affected, law,"
        " kept_until, department_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        new_id(),
        request_id,
        position,
        str(step.kind),
        str(step.topic),
        step.text,
        step.affected,
        step.law,
        step.kept_until,
        step.department_id,
    )


@action
async def note_messages_gone(actor: Actor, *, request_id: UUID, count: int) -> None:
    """The inboxes upstairs have been emptied of the person; the step now says of how much."""
    await fetch_value(
        "UPDATE data_request_step SET affected = $2 WHERE request_id = $1 AND topic = 'messages'",
        request_id,
        count,
    )


@query
async def request_list(
    actor: Actor, *, waiting: bool = True, limit: int = 50, after: UUID | None = None
) -> list[RequestView]:
    """What waits for an answer, what is due first first; or everything, as it came in."""
    order = "r.due_on, r.id" if waiting else "r.id"
    rows = await fetch(
        f"{VIEW} WHERE (NOT $1 OR r.status = 'received') AND ($2::uuid IS NULL OR ({order}) >"  # noqa: S608 - ours
        f" (SELECT {order} FROM data_request r WHERE r.id = $2)) ORDER BY {order} LIMIT $3",
        waiting,
        after,
        min(limit, BATCH_MAX),
    )
    return [await view(row) for row in rows]


@query
async def request_view(actor: Actor, *, request_id: UUID) -> RequestView:
    """For who answers; the route decides who that is."""
    row = await fetch_one(f"{VIEW} WHERE r.id = $1", request_id)
    if row is None:
        raise RequestNotFound(data_request_id=request_id)
    return await view(row)


async def tell_overdue() -> int:
    """The sweep: tell of every request that nobody has answered in time, once each."""
    return await mark_overdue(system("data_requests"))


@action
async def mark_overdue(actor: Actor) -> int:
    rows = await fetch(
        "UPDATE data_request SET overdue_at = jiuyi.now() WHERE id IN (SELECT id FROM data_request"
        " WHERE status = 'received' AND overdue_at IS NULL"
        " AND due_on < (jiuyi.now() AT TIME ZONE 'Asia/Shanghai')::date"
        " ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING id",
        BATCH_MAX,
    )
    for row in rows:
        await emit(actor, RequestOverdue(data_request_id=row["id"]))
    return len(rows)

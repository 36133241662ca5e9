"""更正与删除: a person asks for it, looks at the answer, or takes it back."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.kernel import clock
from app.kernel.actor import Actor, ActorKind
from app.kernel.crypto import decrypt, encrypt
from app.kernel.database import action, fetch, fetch_one, fetch_value, query
from app.kernel.errors import DomainError, Invalid, NotFound
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.patients.access import require_speaks_for
from app.patients.binding import lock_person
from app.patients.desk import at_the_desk
from app.patients.forgetting import Contact, checked
from app.patients.masking import MaskKind, mask, mask_text
from app.rights.events import RequestReceived, RequestWithdrawn
from app.rights.rules import TOPICS_OF, due_on
from app.rights.tables import REQUEST_FLOW, RequestKind, RequestStatus, StepKind, Topic

WAITING_MAX = 3
SHOWN_MAX = 50
TEXT_LENGTH = range(2, 1001)
CONTACT = frozenset({Topic.NAME, Topic.PHONE, Topic.ADDRESS})  # also the fields of Contact


class TextNeeded(Invalid):
    code = "request_text_needed"
    message = "请用 2 到 1000 个字写明要更正或删除的内容。"


class TopicsWrong(Invalid):
    code = "request_topics_wrong"
    message = "请选择要更正或删除的项目；更正与删除的项目请分别申请。"


class WantedNeeded(Invalid):
    code = "wanted_needed"
    message = "请填写更正后的姓名、手机号或地址，并与所选项目一致。"


class TooManyRequests(DomainError):
    code = "too_many_data_requests"
    message = "已有 3 件申请正在办理，请等待答复或先撤回其中一件。"


class RequestNotFound(NotFound):
    code = "data_request_not_found"
    message = "没有找到这件申请，请返回申请列表刷新。"


class AnsweredAlready(DomainError):
    code = "data_request_over"
    message = "这件申请已经答复或撤回，请刷新后查看。"


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, or what must stay: then with the law and, once it counts, the last day."""

    kind: StepKind
    topic: Topic
    text: str
    affected: int
    law: str
    kept_until: date | None


class RequestView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    person_id: UUID
    kind: RequestKind
    topics: list[Topic]
    text: str  # numbers in it are masked
    wanted_name: str | None
    wanted_phone: str | None  # masked, and so is the address
    wanted_address: str | None
    status: RequestStatus
    asked_at: datetime
    due_on: date
    overdue: bool
    answer: str
    decided_at: datetime | None
    steps: list[StepView]


@action
async def ask(
    actor: Actor,
    *,
    person_id: UUID,
    kind: RequestKind,
    topics: Sequence[Topic],
    text: str,
    wanted: Contact | None = None,
) -> UUID:
    """Only who speaks for the person asks: nobody who was invited has a say about their data.

    `wanted` is what a correction puts right; the desk accepts it as it stands and types nothing.
    """
    await require_speaks_for(actor, person_id=person_id)
    return await _receive(actor, person_id, Wish(kind=kind, topics=topics, text=text, wanted=wanted))


@action
async def ask_at_the_desk(
    actor: Actor,
    *,
    id_number: str,
    kind: RequestKind,
    topics: Sequence[Topic],
    text: str,
    wanted: Contact | None = None,
) -> UUID:
    """For who has no phone: the card lies on the desk. Somebody else than the writer answers."""
    person_id = await at_the_desk(actor, id_number=id_number)
    return await _receive(actor, person_id, Wish(kind=kind, topics=topics, text=text, wanted=wanted))


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks, before it is a row."""

    kind: RequestKind
    topics: Sequence[Topic]
    text: str
    wanted: Contact | None


def _checked(wish: Wish) -> Wish:
    text, topics = wish.text.strip(), set(wish.topics)
    if len(text) not in TEXT_LENGTH:
        raise TextNeeded
    if not topics or not topics <= TOPICS_OF[wish.kind]:
        raise TopicsWrong
    needed = topics & CONTACT if wish.kind is RequestKind.CORRECTION else set[Topic]()
    told = msgspec.structs.asdict(wish.wanted or Contact())
    if {topic for topic in CONTACT if told[topic] is not None} != needed:
        raise WantedNeeded
    wanted = checked(wish.wanted) if wish.wanted is not None and needed else None
    return Wish(kind=wish.kind, topics=sorted(topics), text=text, wanted=wanted)


async def _receive(actor: Actor, person_id: UUID, asked: Wish) -> UUID:
    wish = _checked(asked)
    # The person's row orders their requests, so that the limit holds.
    await lock_person(person_id)
    waiting = await fetch_value(
        "SELECT count(*) FROM data_request WHERE person_id IN (SELECT jiuyi.same_person($1))"
        " AND status = 'received'",
        person_id,
    )
    if waiting >= WAITING_MAX:
        raise TooManyRequests(person_id=person_id)
    request_id = new_id()
    await fetch_value(
        "INSERT INTO data_request (id, person_id, account_id, staff_id, kind, topics, text, wanted, status,"
        " asked_at, due_on) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'received', jiuyi.now(), $9)",
        request_id,
        person_id,
        actor.id if actor.kind is ActorKind.ACCOUNT else None,
        actor.id if actor.kind is ActorKind.STAFF else None,
        str(wish.kind),
        [str(topic) for topic in wish.topics],
        encrypt(wish.text, context=f"data_request.text.{request_id}"),
        wish.wanted
        and encrypt(msgspec.json.encode(wish.wanted).decode(), context=f"data_request.wanted.{request_id}"),
        due_on(await clock.today()),
    )
    await emit(actor, RequestReceived(data_request_id=request_id, person_id=person_id))
    return request_id


@action
async def withdraw(actor: Actor, *, request_id: UUID) -> UUID:
    """Who asked takes it back while nobody has answered. Whoever is first wins."""
    row = await fetch_one(
        "SELECT person_id, status FROM data_request WHERE id = $1 AND account_id = $2 FOR UPDATE",
        request_id,
        actor.id,
    )
    if row is None:
        raise RequestNotFound(data_request_id=request_id)
    if row["status"] != RequestStatus.RECEIVED:
        raise AnsweredAlready(data_request_id=request_id)
    await REQUEST_FLOW.move(request_id, RequestStatus.WITHDRAWN)
    await emit(actor, RequestWithdrawn(data_request_id=request_id, person_id=row["person_id"]))
    return request_id


VIEW = (
    "SELECT r.*, r.status = 'received' AND r.due_on < (jiuyi.now() AT TIME ZONE 'Asia/Shanghai')::date"
    " AS overdue FROM data_request r"
)


@query
async def my_requests(actor: Actor) -> list[RequestView]:
    """What the account asked, newest first; also after a deletion ended all its bindings."""
    rows = await fetch(f"{VIEW} WHERE r.account_id = $1 ORDER BY r.id DESC LIMIT $2", actor.id, SHOWN_MAX)
    return [await view(row) for row in rows]


@query
async def my_request(actor: Actor, *, request_id: UUID) -> RequestView:
    row = await fetch_one(f"{VIEW} WHERE r.id = $1 AND r.account_id = $2", request_id, actor.id)
    if row is None:
        raise RequestNotFound(data_request_id=request_id)
    return await view(row)


async def view(row: asyncpg.Record) -> RequestView:
    """The request of a row that VIEW has read."""
    steps = await fetch("SELECT * FROM data_request_step WHERE request_id = $1 ORDER BY position", row["id"])
    wanted = wanted_of(row)
    return msgspec.convert(
        {
            **opened(row),
            "wanted_name": wanted.name,
            "wanted_phone": wanted.phone and mask(MaskKind.PHONE, wanted.phone),
            "wanted_address": wanted.address and mask(MaskKind.ADDRESS, wanted.address),
            "steps": [dict(step) for step in steps],
        },
        RequestView,
    )


def opened(row: asyncpg.Record) -> dict[str, Any]:
    """The row with its texts in plain, but for the numbers in them: nobody needs those to answer."""
    text = decrypt(row["text"], context=f"data_request.text.{row['id']}")
    answer = row["answer"] and decrypt(row["answer"], context=f"data_request.answer.{row['id']}")
    return {**dict(row), "text": mask_text(text), "answer": mask_text(answer or "")}


def wanted_of(row: asyncpg.Record) -> Contact:
    """What a correction is to put right, in plain."""
    if row["wanted"] is None:
        return Contact()
    plain = decrypt(row["wanted"], context=f"data_request.wanted.{row['id']}")
    return msgspec.json.decode(plain, type=Contact)

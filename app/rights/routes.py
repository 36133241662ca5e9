"""The desk that answers requests about one's own data, and writes them down for who has no phone."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.kernel.actor import Actor
from app.kernel.http import PAGE_MAX
from app.kernel.idempotency import Command, once
from app.patients.forgetting import Contact
from app.rights.answering import Decision, answer, request_list, request_view
from app.rights.requests import RequestView, ask_at_the_desk
from app.rights.tables import RequestKind, Topic


class AskAtDesk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The number travels in the body: it never stands in a URL or a log."""

    id_number: str
    kind: RequestKind
    topics: Annotated[list[Topic], msgspec.Meta(min_length=1, max_length=len(Topic))]
    text: Annotated[str, msgspec.Meta(max_length=1000)]
    wanted: Contact | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`text` is what the patient reads; `department_id` whose doctors look at what is said of the record."""

    decision: Decision
    text: Annotated[str, msgspec.Meta(max_length=500)]
    department_id: UUID | None = None


class Requests(msgspec.Struct, frozen=True):
    items: list[RequestView]
    next: UUID | None


@get("/data-requests", permission="data_request.read")
async def list_requests(
    actor: NamedDependency[Actor],
    waiting: Annotated[bool, QueryParameter()] = True,  # noqa: FBT002 - a query parameter
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)] = 50,
    after: Annotated[UUID | None, QueryParameter()] = None,
) -> Requests:
    """What waits for its answer, what is overdue first; or everything."""
    found = await request_list(actor, waiting=waiting, limit=limit, after=after)
    return Requests(found, next=found[-1].id if len(found) == limit else None)


@get("/data-requests/{data_request_id:uuid}", permission="data_request.read")
async def read_request(data_request_id: FromPath[UUID], actor: NamedDependency[Actor]) -> RequestView:
    return await request_view(actor, request_id=data_request_id)


@post("/data-requests/{data_request_id:uuid}/answer", status_code=200, permission="data_request.answer")
async def answer_request(
    data_request_id: FromPath[UUID],
    data: JSONBody[Answer],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> RequestView:
    await once(
        asked,
        answer,
        actor,
        request_id=data_request_id,
        decision=data.decision,
        text=data.text,
        department_id=data.department_id,
    )
    return await request_view(actor, request_id=data_request_id)


@post("/desk/data-requests", status_code=201, permission="desk_data_request.create")
async def write_request_down(
    data: JSONBody[AskAtDesk], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> RequestView:
    request_id = await once(
        asked,
        ask_at_the_desk,
        actor,
        id_number=data.id_number,
        kind=data.kind,
        topics=data.topics,
        text=data.text,
        wanted=data.wanted,
    )
    return await request_view(actor, request_id=request_id)


router = Router(
    path="/api/staff/v1",
    route_handlers=[list_requests, read_request, answer_request, write_request_down],
)

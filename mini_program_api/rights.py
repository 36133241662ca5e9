"""我的资料: who has seen it, a copy of it, and asking to put it right or to delete it."""

from datetime import date
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.billing import copies as billing
from app.encounters import copies as encounters
from app.inpatient import copies as inpatient
from app.kernel.actor import Actor
from app.kernel.idempotency import Command, once
from app.laboratory import copies as laboratory
from app.orders import copies as orders
from app.outpatient import copies as outpatient
from app.patients import copies as patients
from app.patients.copying import Section
from app.patients.forgetting import Contact
from app.pharmacy import copies as pharmacy
from app.queueing import copies as queueing
from app.rights import copies as rights
from app.rights.accesses import PAGE_MAX, Accesses, accesses
from app.rights.exports import Copy, ExportView, ask_for_copy, export_view, make_copy
from app.rights.requests import RequestKind, RequestView, Topic, ask, my_request, my_requests, withdraw
from notifications import copies as notifications

# What a copy holds, in the order in which a patient reads it.
SECTIONS: list[Section] = [
    *patients.SECTIONS,
    *encounters.SECTIONS,
    *outpatient.SECTIONS,
    *queueing.SECTIONS,
    *orders.SECTIONS,
    *laboratory.SECTIONS,
    *pharmacy.SECTIONS,
    *inpatient.SECTIONS,
    *billing.SECTIONS,
    *notifications.SECTIONS,
    *rights.SECTIONS,
]


class Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A correction names name, phone, address or clinical; `wanted` says what is right of these."""

    kind: RequestKind
    topics: Annotated[list[Topic], msgspec.Meta(min_length=1, max_length=len(Topic))]
    text: Annotated[str, msgspec.Meta(max_length=1000)]
    wanted: Contact | None = None


class Requests(msgspec.Struct, frozen=True):
    items: list[RequestView]


@get("/persons/{person_id:uuid}/accesses", permission="access_history.read")
async def list_accesses(
    person_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    first_day: Annotated[date | None, QueryParameter()] = None,
    last_day: Annotated[date | None, QueryParameter()] = None,
    own: Annotated[bool, QueryParameter()] = False,  # noqa: FBT002 - a query parameter
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)] = 20,
    before: Annotated[int | None, QueryParameter()] = None,
) -> Accesses:
    """谁看过我的资料. `before` is the `next` of the page before; `own`: with what this account read."""
    return await accesses(
        actor,
        person_id=person_id,
        first_day=first_day,
        last_day=last_day,
        own=own,
        limit=limit,
        before=before,
    )


@post("/persons/{person_id:uuid}/exports", status_code=201, permission="data_export.create")
async def start_export(
    person_id: FromPath[UUID], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> ExportView:
    export_id = await once(asked, ask_for_copy, actor, person_id=person_id)
    return await export_view(actor, export_id=export_id)


@get("/exports/{export_id:uuid}", permission="data_export.read")
async def fetch_export(export_id: FromPath[UUID], actor: NamedDependency[Actor]) -> Copy:
    """Made anew from what is there now; nothing of it is stored."""
    return await make_copy(actor, export_id=export_id, sections=SECTIONS)


@post("/persons/{person_id:uuid}/data-requests", status_code=201, permission="data_request.create")
async def ask_for(
    person_id: FromPath[UUID],
    data: JSONBody[Ask],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> RequestView:
    request_id = await once(
        asked,
        ask,
        actor,
        person_id=person_id,
        kind=data.kind,
        topics=data.topics,
        text=data.text,
        wanted=data.wanted,
    )
    return await my_request(actor, request_id=request_id)


@get("/data-requests", permission="data_request.list")
async def list_requests(actor: NamedDependency[Actor]) -> Requests:
    """What this account asked, with the answers; the newest fifty."""
    return Requests(await my_requests(actor))


@post("/data-requests/{data_request_id:uuid}/withdraw", status_code=200, permission="data_request.withdraw")
async def take_back(
    data_request_id: FromPath[UUID], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> RequestView:
    await once(asked, withdraw, actor, request_id=data_request_id)
    return await my_request(actor, request_id=data_request_id)


router = Router(
    path="/api/mini-program/v1",
    route_handlers=[list_accesses, start_export, fetch_export, ask_for, list_requests, take_back],
)

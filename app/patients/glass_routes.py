"""Break-glass at the workstation, and its review by an administrator of the audit."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.kernel.actor import Actor
from app.kernel.http import PAGE_MAX
from app.kernel.idempotency import Command, once
from app.patients.break_glass import (
    BreakGlassView,
    break_glass,
    break_glass_list,
    break_glass_view,
    review_break_glass,
)
from app.patients.tables import BreakGlassReason, Verdict

NOTE_LENGTH_MAX = 200


class Open(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom: by `id_number` (a card, a wristband) where it is given, else by `person_id`."""

    reason: BreakGlassReason
    explanation: Annotated[str, msgspec.Meta(max_length=1000)]
    person_id: UUID | None = None
    id_number: str | None = None


class Review(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    verdict: Verdict
    note: Annotated[str, msgspec.Meta(max_length=NOTE_LENGTH_MAX)] = ""


class Looks(msgspec.Struct, frozen=True):
    items: list[BreakGlassView]
    next: UUID | None


@post("/break-glass", status_code=201, permission="break_glass.open")
async def open_patient(
    data: JSONBody[Open], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> BreakGlassView:
    break_glass_id = await once(
        asked,
        break_glass,
        actor,
        person_id=data.person_id,
        id_number=data.id_number,
        reason=data.reason,
        explanation=data.explanation,
    )
    return await break_glass_view(actor, break_glass_id=break_glass_id)


@get(
    "/break-glass",
    permission="break_glass.list",
)
async def list_looks(
    actor: NamedDependency[Actor],
    waiting: Annotated[bool, QueryParameter()] = True,  # noqa: FBT002 - a query parameter
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)] = 50,
    after: Annotated[UUID | None, QueryParameter()] = None,
) -> Looks:
    """What waits for its review, `overdue` after a day; or everything."""
    found = await break_glass_list(actor, waiting=waiting, limit=limit, after=after)
    return Looks(found, next=found[-1].id if len(found) == limit else None)


@post(
    "/break-glass/{break_glass_id:uuid}/review",
    status_code=200,
    permission="break_glass.review",
)
async def review(
    break_glass_id: FromPath[UUID],
    data: JSONBody[Review],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> BreakGlassView:
    await once(
        asked,
        review_break_glass,
        actor,
        break_glass_id=break_glass_id,
        verdict=data.verdict,
        note=data.note,
    )
    return await break_glass_view(actor, break_glass_id=break_glass_id)


router = Router(path="/api/staff/v1", route_handlers=[open_patient, list_looks, review])

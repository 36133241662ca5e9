"""The patient's timeline: every step of the visits, newest first."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from app.encounters.timeline import TimelineStep, timeline
from app.kernel.actor import Actor


class StepReply(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    at: datetime
    kind: str
    title: str
    ref_id: UUID | None


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """`next` is what to pass as `after` for the page behind; null at the end."""

    items: list[StepReply]
    next: UUID | None


def reply(step: TimelineStep) -> StepReply:
    return StepReply(id=step.id, at=step.at, kind=step.kind, title=step.title, ref_id=step.ref_id)


@get("/timeline", permission="timeline.read")
async def read_timeline(
    actor: NamedDependency[Actor],
    person_id: Annotated[UUID, QueryParameter()],
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 50,
    after: Annotated[UUID | None, QueryParameter()] = None,
) -> Timeline:
    steps = await timeline(actor, person_id=person_id, limit=limit, after=after)
    more = steps[-1].id if len(steps) == limit else None
    return Timeline(items=[reply(step) for step in steps], next=more)


router = Router(path="/api/mini-program/v1", route_handlers=[read_timeline])

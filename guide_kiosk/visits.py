"""The kiosk in the lobby: who am I, who stands there, what can be checked in, here is the ticket."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.identity.queries import device
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import query
from app.kernel.errors import Unauthenticated
from app.kernel.idempotency import Command, once
from app.outpatient.arrival import check_in
from app.outpatient.codes import qr_svg, ticket_text
from app.outpatient.identifying import IdentifyKind, identify
from app.outpatient.queries import Visit, WhyNot, visits_shown
from app.queueing.queries import ticket_view

# Which live stream a device listens to, by the kind of place it stands in.
STREAMS = {
    ("hall_display", "zone"): "zone:{place}:queue",
    ("kiosk", "zone"): "zone:{place}:queue",
    ("window_display", "window"): "window:{place}:queue",
    ("nurse_station", "ward"): "ward:{place}:alerts",
    ("bedside", "bed"): "bed:{device}:settle",
}


class Identify(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: IdentifyKind
    value: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class CheckIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    visitor_token: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    appointment_id: UUID


class Place(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    id: UUID
    name: str


class Me(msgspec.Struct, frozen=True, kw_only=True):
    device_id: UUID
    kind: str
    label: str
    place: Place
    streams: list[str]
    now: datetime  # business time: a screen's own clock drifts, and knows nothing of the hospital's


class VisitorReply(msgspec.Struct, frozen=True, kw_only=True):
    token: str
    masked_name: str
    expires_in: int


class TicketReply(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown and printed: the name is masked, the QR says only which ticket it is."""

    ticket_id: UUID
    number: str
    masked_name: str
    department: str
    doctor: str
    room: str
    zone: str
    people_ahead: int
    wait_minutes: tuple[int, int] | None
    qr: str
    qr_svg: str


class VisitReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    appointment_id: UUID
    department: str
    doctor: str
    room: str
    zone: str
    starts_at: datetime
    ends_at: datetime
    seq_no: int
    status: str
    can_check_in: bool
    why_not: WhyNot | None = None
    ticket: TicketReply | None = None


class Identified(msgspec.Struct, frozen=True, kw_only=True):
    visitor: VisitorReply
    visits: list[VisitReply]


@get("/me", permission="device.read_self")
async def me(actor: NamedDependency[Actor]) -> Me:
    """Any device learns where it stands and what it may listen to."""
    if actor.id is None:
        raise Unauthenticated
    known = await device(actor, device_id=actor.id)
    stream = STREAMS.get((str(known.kind), known.place_kind))
    return Me(
        device_id=known.id,
        kind=str(known.kind),
        label=known.label,
        place=Place(kind=known.place_kind, id=known.place_id, name=known.place_name),
        streams=[] if stream is None else [stream.format(place=known.place_id, device=known.id)],
        now=await business_time(actor),
    )


@query
async def business_time(actor: Actor) -> datetime:
    return await clock.now()


@post("/identify", permission="kiosk.identify", status_code=200)
async def who_is_there(data: JSONBody[Identify], actor: NamedDependency[Actor]) -> Identified:
    """A login of 90 seconds: like every login it takes no Idempotency-Key."""
    visitor = await identify(actor, kind=data.kind, value=data.value)
    return Identified(
        visitor=VisitorReply(
            token=visitor.token, masked_name=visitor.masked_name, expires_in=visitor.expires_in
        ),
        visits=await visits_of(actor, visitor_token=visitor.token),
    )


@post("/check-ins", permission="kiosk.check_in", status_code=200)
async def check_in_here(
    data: JSONBody[CheckIn], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> TicketReply:
    await once(asked, check_in, actor, appointment_id=data.appointment_id, visitor_token=data.visitor_token)
    visits = await visits_of(actor, visitor_token=data.visitor_token)
    ticket = next(visit.ticket for visit in visits if visit.appointment_id == data.appointment_id)
    assert ticket is not None
    return ticket


@query
async def visits_of(actor: Actor, *, visitor_token: str) -> list[VisitReply]:
    visits = await visits_shown(actor, visitor_token=visitor_token)
    return [
        VisitReply(
            appointment_id=visit.appointment_id,
            department=visit.department,
            doctor=visit.doctor,
            room=visit.room,
            zone=visit.zone,
            starts_at=visit.starts_at,
            ends_at=visit.ends_at,
            seq_no=visit.seq_no,
            status=str(visit.status),
            can_check_in=visit.can_check_in,
            why_not=visit.why_not,
            ticket=None if visit.ticket_id is None else await ticket_of(actor, visit),
        )
        for visit in visits
    ]


async def ticket_of(actor: Actor, visit: Visit) -> TicketReply:
    assert visit.ticket_id is not None
    ticket = await ticket_view(actor, ticket_id=visit.ticket_id)
    text = ticket_text(ticket.ticket_id)
    return TicketReply(
        ticket_id=ticket.ticket_id,
        number=ticket.number,
        masked_name=ticket.masked_name,
        department=visit.department,
        doctor=visit.doctor,
        room=ticket.room or visit.room,
        zone=ticket.zone or visit.zone,
        people_ahead=ticket.people_ahead or 0,
        wait_minutes=ticket.wait_minutes,
        qr=text,
        qr_svg=qr_svg(text),
    )


router = Router(path="/api/kiosk/v1", route_handlers=[me, who_is_there, check_in_here])

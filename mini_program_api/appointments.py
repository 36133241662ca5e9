"""Holding a number, looking at it, starting its payment, giving it back."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.kernel.actor import Actor
from app.kernel.idempotency import Command, once
from app.outpatient.booking import cancel_appointment, hold_appointment
from app.outpatient.codes import qr_svg
from app.outpatient.paying import start_appointment_payment
from app.outpatient.queries import AppointmentView, appointment_view, my_appointments

SHOWS_CODE = {"booked", "arrived"}


class HoldForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    session_id: UUID
    window_id: UUID
    person_id: UUID


class AppointmentReply(msgspec.Struct, frozen=True, kw_only=True):
    """An appointment as the family reads it. `expires_at` ends a hold; the code opens the kiosk."""

    id: UUID
    person_id: UUID
    status: str
    department: str
    doctor: str
    room_id: UUID
    room: str
    zone: str
    visit_type: str
    date: date
    half_day: str
    starts_at: datetime
    ends_at: datetime
    seq_no: int
    fee_fen: int
    bill_id: UUID | None
    expires_at: datetime
    cancel_until: datetime
    encounter_id: UUID | None
    ticket_id: UUID | None
    booking_code: str | None = None
    qr_svg: str | None = None


class Appointments(msgspec.Struct, frozen=True):
    items: list[AppointmentReply]
    next: UUID | None


class BillReply(msgspec.Struct, frozen=True, kw_only=True):
    bill_id: UUID


def reply(found: AppointmentView, *, with_code: bool = False) -> AppointmentReply:
    names = AppointmentReply.__struct_fields__
    known = {name: getattr(found, name) for name in names if name not in ("booking_code", "qr_svg")}
    shows = with_code and found.status in SHOWS_CODE
    return AppointmentReply(
        **known,
        booking_code=found.booking_code if shows else None,
        qr_svg=qr_svg(found.booking_code) if shows else None,
    )


@post("/appointments", permission="appointment.book", status_code=201)
async def hold(
    data: JSONBody[HoldForm], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> AppointmentReply:
    appointment_id = await once(
        asked,
        hold_appointment,
        actor,
        session_id=data.session_id,
        window_id=data.window_id,
        person_id=data.person_id,
    )
    return reply(await appointment_view(actor, appointment_id=appointment_id))


@get("/appointments", permission="appointment.read")
async def list_appointments(
    actor: NamedDependency[Actor],
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 50,
    after: Annotated[UUID | None, QueryParameter()] = None,
) -> Appointments:
    found = await my_appointments(actor, limit=limit, after=after)
    more = found[-1].id if len(found) == limit else None
    return Appointments([reply(appointment) for appointment in found], more)


@get("/appointments/{appointment_id:uuid}", permission="appointment.read")
async def detail(actor: NamedDependency[Actor], appointment_id: FromPath[UUID]) -> AppointmentReply:
    return reply(await appointment_view(actor, appointment_id=appointment_id), with_code=True)


@post("/appointments/{appointment_id:uuid}/bill", permission="appointment.pay", status_code=200)
async def start_payment(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], appointment_id: FromPath[UUID]
) -> BillReply:
    """Open the hold's bill; it is then paid like any other."""
    bill_id = await once(asked, start_appointment_payment, actor, appointment_id=appointment_id)
    return BillReply(bill_id=bill_id)


@post("/appointments/{appointment_id:uuid}/cancel", permission="appointment.cancel", status_code=200)
async def cancel(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], appointment_id: FromPath[UUID]
) -> AppointmentReply:
    done = await once(asked, cancel_appointment, actor, appointment_id=appointment_id)
    return reply(await appointment_view(actor, appointment_id=done))


router = Router(
    path="/api/mini-program/v1",
    route_handlers=[hold, list_appointments, detail, start_payment, cancel],
)

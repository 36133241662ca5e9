"""The devices of the house, for those who install them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.identity.devices import revoke_device
from app.identity.queries import InstalledDevice, installed_device, installed_devices
from app.identity.roles import DeviceKind, PlaceKind, StaffRole
from app.kernel.actor import Actor
from app.kernel.http import PAGE_MAX
from app.organization.installing import install_elsewhere, offer_device

KEEPS_DEVICES = StaffRole.SYSTEM_ADMIN

Label = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]


class OfferDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: DeviceKind
    label: Label
    place_kind: PlaceKind
    place_id: UUID


class MoveDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    place_kind: PlaceKind
    place_id: UUID


class EnrolmentCode(msgspec.Struct, frozen=True):
    """Shown once: only its hash is kept."""

    enrolment_id: UUID
    code: str
    expires_at: datetime


class Devices(msgspec.Struct, frozen=True):
    items: list[InstalledDevice]
    next: UUID | None


@get("/devices", permission="device.read")
async def list_devices(
    actor: NamedDependency[Actor],
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)] = PAGE_MAX,
    after: Annotated[UUID | None, QueryParameter()] = None,
) -> Devices:
    items = await installed_devices(actor, limit=limit, after=after)
    return Devices(items=items, next=items[-1].id if len(items) == limit else None)


@post("/devices/enrolments", permission="device.enrol")
async def offer(actor: NamedDependency[Actor], data: JSONBody[OfferDevice]) -> EnrolmentCode:
    """A one-time code of ten minutes. It needs no key: a code whose answer was lost expires unseen."""
    made = await offer_device(
        actor, kind=data.kind, label=data.label, place_kind=data.place_kind, place_id=data.place_id
    )
    return EnrolmentCode(made.id, made.code, made.expires_at)


@post("/devices/{device_id:uuid}/move", permission="device.move", status_code=200)
async def move(
    actor: NamedDependency[Actor], device_id: FromPath[UUID], data: JSONBody[MoveDevice]
) -> InstalledDevice:
    """It logs in anew at its new place. Repeating the move changes nothing, so it needs no key."""
    await install_elsewhere(actor, device_id=device_id, place_kind=data.place_kind, place_id=data.place_id)
    return await installed_device(actor, device_id=device_id)


@post("/devices/{device_id:uuid}/revoke", permission="device.revoke", status_code=200)
async def revoke(actor: NamedDependency[Actor], device_id: FromPath[UUID]) -> InstalledDevice:
    """For good: to come back it must be enrolled anew. Repeating changes nothing."""
    await revoke_device(actor, device_id=device_id)
    return await installed_device(actor, device_id=device_id)


router = Router(
    path="/api/staff/v1",
    route_handlers=[list_devices, offer, move, revoke],
    tags=["devices"],
)

"""Which device belongs where: places have names here, devices and their keys live one floor down."""

from uuid import UUID

from app.identity.devices import move_device
from app.identity.enrolment import Offer, offer_enrolment
from app.identity.queries import device
from app.identity.roles import DeviceKind, PlaceKind
from app.kernel.actor import Actor
from app.kernel.database import action, query
from app.kernel.errors import Invalid
from app.organization.queries import bed, service_window, ward, zone

STANDS_AT = {
    DeviceKind.KIOSK: PlaceKind.ZONE,
    DeviceKind.HALL_DISPLAY: PlaceKind.ZONE,
    DeviceKind.BEDSIDE: PlaceKind.BED,
    DeviceKind.NURSE_STATION: PlaceKind.WARD,
    DeviceKind.WINDOW_DISPLAY: PlaceKind.WINDOW,
}


class PlaceUnfit(Invalid):
    code = "device_place_unfit"
    message = "地点不符：自助机和大屏装在候诊区，床旁终端装在床位，护士站屏装在病区，窗口屏装在窗口。"


@action
async def offer_device(
    actor: Actor, *, kind: DeviceKind, label: str, place_kind: PlaceKind, place_id: UUID
) -> Offer:
    """A one-time code for a new device at a place that exists and suits it."""
    name = await _name_of(actor, kind=kind, place_kind=place_kind, place_id=place_id)
    return await offer_enrolment(
        actor, kind=kind, label=label, place_kind=place_kind, place_id=place_id, place_name=name
    )


@action
async def install_elsewhere(actor: Actor, *, device_id: UUID, place_kind: PlaceKind, place_id: UUID) -> None:
    kind = (await device(actor, device_id=device_id)).kind
    name = await _name_of(actor, kind=kind, place_kind=place_kind, place_id=place_id)
    await move_device(actor, device_id=device_id, place_kind=place_kind, place_id=place_id, place_name=name)


@query
async def _name_of(actor: Actor, *, kind: DeviceKind, place_kind: PlaceKind, place_id: UUID) -> str:
    if STANDS_AT[kind] is not place_kind:
        raise PlaceUnfit
    match place_kind:
        case PlaceKind.ZONE:
            return (await zone(actor, zone_id=place_id)).name
        case PlaceKind.WARD:
            return (await ward(actor, ward_id=place_id)).name
        case PlaceKind.BED:
            return (await bed(actor, bed_id=place_id)).label
        case PlaceKind.WINDOW:
            return (await service_window(actor, window_id=place_id)).name

"""The streams this house has: who may listen to each, and what a newcomer is shown first."""

from typing import Any
from uuid import UUID

from app.alerts.watching import may_watch_ward
from app.identity.queries import DeviceNotFound, device
from app.kernel.actor import Actor, ActorKind
from notifications import alerts, inbox, queueing
from notifications.streams import StreamKind


async def is_staff(actor: Actor, place_id: UUID) -> bool:
    """A desk's state holds more than a door may show: encounters, and why somebody goes first."""
    return actor.kind is ActorKind.STAFF


async def stands_there_or_staff(actor: Actor, place_id: UUID) -> bool:
    """A display of this very place, or somebody on the staff."""
    return await is_staff(actor, place_id) or await stands_there(actor, place_id)


async def stands_there(actor: Actor, place_id: UUID) -> bool:
    if actor.kind is not ActorKind.DEVICE or actor.id is None:
        return False
    try:
        return (await device(actor, device_id=actor.id)).place_id == place_id
    except DeviceNotFound:
        return False


async def watches_ward(actor: Actor, ward_id: UUID) -> bool:
    return await may_watch_ward(actor, ward_id=ward_id)


async def own_account(actor: Actor, account_id: UUID) -> bool:
    return actor.kind is ActorKind.ACCOUNT and actor.id == account_id


async def own_terminal(actor: Actor, device_id: UUID) -> bool:
    return actor.kind is ActorKind.DEVICE and actor.id == device_id


async def nothing_yet(actor: Actor, device_id: UUID) -> dict[str, Any]:
    """A terminal shows nothing until somebody unlocks it; then it asks by HTTP."""
    return {}


KINDS: dict[str, StreamKind] = {
    kind.prefix: kind
    for kind in (
        StreamKind(prefix="zone", topic="queue", may_listen=stands_there_or_staff, state=queueing.zone_state),
        StreamKind(prefix="room", topic="queue", may_listen=is_staff, state=queueing.room_state),
        StreamKind(
            prefix="window", topic="queue", may_listen=stands_there_or_staff, state=queueing.window_state
        ),
        StreamKind(
            prefix="ward",
            topic="alerts",
            may_listen=watches_ward,
            state=alerts.ward_state,
            arrived=alerts.arrived,
            shown=alerts.alerts_shown,
        ),
        StreamKind(prefix="account", topic="inbox", may_listen=own_account, state=inbox.inbox_state),
        StreamKind(prefix="bed", topic="settle", may_listen=own_terminal, state=nothing_yet),
    )
}

"""What a bedside terminal hears: that its list or its deposit is another now. It asks for the rest itself."""

from uuid import UUID

from app.billing.events import BillPaid
from app.identity.queries import devices_at
from app.inpatient.events import PatientDischarged, PatientMoved, StayCharged
from app.inpatient.queries import bed_of_stay
from app.kernel.actor import Actor
from app.kernel.events import Event
from notifications.push import push
from notifications.streams import bedside


async def charged(actor: Actor, fact: StayCharged, event: Event) -> None:
    await _tell(actor, fact.encounter_id, event)


async def topped_up(actor: Actor, fact: BillPaid, event: Event) -> None:
    if fact.kind == "deposit" and fact.encounter_id is not None:
        await _tell(actor, fact.encounter_id, event)


async def discharged(actor: Actor, fact: PatientDischarged, event: Event) -> None:
    """The terminal wipes its screen: its session ended in the discharge's own transaction."""
    await _wipe(actor, fact.bed_id, event)


async def moved(actor: Actor, fact: PatientMoved, event: Event) -> None:
    """The same for the bed that the patient left."""
    await _wipe(actor, fact.from_bed_id, event)


async def _wipe(actor: Actor, bed_id: UUID, event: Event) -> None:
    for device in await devices_at(actor, place_id=bed_id):
        await push(actor, stream=bedside(device.id), type=event.kind, data={}, prio=0)


async def _tell(actor: Actor, encounter_id: UUID, event: Event) -> None:
    bed_id = await bed_of_stay(actor, encounter_id=encounter_id)
    if bed_id is None:
        return
    for device in await devices_at(actor, place_id=bed_id):
        await push(actor, stream=bedside(device.id), type=event.kind, data={})

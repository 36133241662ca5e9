"""What the queue adds to the patient's timeline: each first call."""

from app.encounters.timeline import add_to_timeline
from app.kernel.actor import Actor
from app.kernel.events import Event
from app.queueing.events import TicketCalled


async def tell_called(actor: Actor, fact: TicketCalled, event: Event) -> None:
    if fact.repeat_no > 1 or fact.room_id is None:
        return  # a window's call is the pharmacy's story, a repeated one is none
    await add_to_timeline(
        actor,
        person_id=fact.person_id,
        at=event.business_at,
        kind=event.kind,
        title="医生叫号，请到诊室就诊",
        ref_id=fact.ticket_id,
        once_key=f"{event.kind}:{fact.call_id}",
    )

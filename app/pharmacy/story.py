"""What the pharmacy adds to the patient's timeline."""

from app.encounters.timeline import tell
from app.kernel.actor import Actor
from app.kernel.events import Event
from app.pharmacy.events import PrescriptionDispensed, PrescriptionReady, PrescriptionReturned


async def tell_returned(actor: Actor, fact: PrescriptionReturned, event: Event) -> None:
    await _tell(actor, fact, event, "药师已将处方退回医生，费用将原路退回")


async def tell_ready(actor: Actor, fact: PrescriptionReady, event: Event) -> None:
    """The first call; those after it are the board's matter."""
    await _tell(actor, fact, event, f"药品已备好，请凭 {fact.number} 号到窗口取药")


async def tell_dispensed(actor: Actor, fact: PrescriptionDispensed, event: Event) -> None:
    await _tell(actor, fact, event, "已取药")


async def _tell(
    actor: Actor,
    fact: PrescriptionReturned | PrescriptionReady | PrescriptionDispensed,
    event: Event,
    title: str,
) -> None:
    await tell(actor, event, person_id=fact.person_id, title=title, ref_id=fact.prescription_id)

"""What the patient's timeline tells of a stay."""

from app.encounters.timeline import tell
from app.inpatient.events import PatientAdmitted, PatientDischarged
from app.kernel.actor import Actor
from app.kernel.events import Event


async def tell_admitted(actor: Actor, fact: PatientAdmitted, event: Event) -> None:
    await tell(actor, event, person_id=fact.person_id, title="办理入院", ref_id=fact.admission_id)


async def tell_discharged(actor: Actor, fact: PatientDischarged, event: Event) -> None:
    await tell(actor, event, person_id=fact.person_id, title="办理出院", ref_id=fact.admission_id)

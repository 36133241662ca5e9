"""What the patient's timeline tells of a stay."""

from app.encounters.timeline import add_to_timeline
from app.inpatient.events import PatientAdmitted, PatientDischarged
from app.kernel.actor import Actor
from app.kernel.events import Event


async def tell_admitted(actor: Actor, fact: PatientAdmitted, event: Event) -> None:
    await add_to_timeline(
        actor,
        person_id=fact.person_id,
        at=event.business_at,
        kind="admission",
        title="办理入院",
        ref_id=fact.admission_id,
        once_key=f"admitted:{fact.admission_id}",
    )


async def tell_discharged(actor: Actor, fact: PatientDischarged, event: Event) -> None:
    await add_to_timeline(
        actor,
        person_id=fact.person_id,
        at=event.business_at,
        kind="discharge",
        title="办理出院",
        ref_id=fact.admission_id,
        once_key=f"discharged:{fact.admission_id}",
    )

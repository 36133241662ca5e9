"""What the visit itself adds to the patient's timeline."""

from app.encounters.events import DiagnosisRecorded, EncounterClosed
from app.encounters.timeline import add_to_timeline
from app.kernel.actor import Actor
from app.kernel.events import Event


async def tell_diagnosed(actor: Actor, fact: DiagnosisRecorded, event: Event) -> None:
    await add_to_timeline(
        actor,
        person_id=fact.person_id,
        at=event.business_at,
        kind=event.kind,
        title="医生已记录诊断",
        ref_id=fact.encounter_id,
        once_key=f"{event.kind}:{fact.diagnosis_id}",
    )


async def tell_closed(actor: Actor, fact: EncounterClosed, event: Event) -> None:
    await add_to_timeline(
        actor,
        person_id=fact.person_id,
        at=event.business_at,
        kind=event.kind,
        title="本次就诊已结束",
        ref_id=fact.encounter_id,
        once_key=f"{event.kind}:{fact.encounter_id}",
    )

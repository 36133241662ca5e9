"""What a visit, and who looked without one, adds to the patient's timeline. Diagnoses are read at the
doctor's, not here."""

from app.encounters.events import DiagnosisRecorded, EncounterClosed, EncounterOpened
from app.encounters.tables import EncounterKind
from app.encounters.timeline import tell
from app.kernel.actor import Actor
from app.kernel.events import Event
from app.patients.events import BreakGlassOpened, BreakGlassReviewed
from app.patients.tables import Verdict

OPENED = {EncounterKind.OUTPATIENT: "门诊就诊开始", EncounterKind.INPATIENT: "已办理入院"}


async def tell_opened(actor: Actor, fact: EncounterOpened, event: Event) -> None:
    await tell(
        actor,
        event,
        person_id=fact.person_id,
        title=OPENED[EncounterKind(fact.encounter_kind)],
        ref_id=fact.encounter_id,
    )


async def tell_diagnosed(actor: Actor, fact: DiagnosisRecorded, event: Event) -> None:
    await tell(
        actor,
        event,
        person_id=fact.person_id,
        title="医生记录了诊断",
        ref_id=fact.encounter_id,
        once=fact.diagnosis_id,
    )


async def tell_closed(actor: Actor, fact: EncounterClosed, event: Event) -> None:
    await tell(actor, event, person_id=fact.person_id, title="本次就诊结束", ref_id=fact.encounter_id)


REVIEWED = {
    Verdict.JUSTIFIED: "紧急调阅已审核：符合规定",
    Verdict.UNJUSTIFIED: "紧急调阅已审核：不符合规定，医院将处理",
}


async def tell_glass_broken(actor: Actor, fact: BreakGlassOpened, event: Event) -> None:
    await tell(
        actor,
        event,
        person_id=fact.person_id,
        title="医护人员紧急调阅了您的资料",
        ref_id=fact.break_glass_id,
    )


async def tell_glass_reviewed(actor: Actor, fact: BreakGlassReviewed, event: Event) -> None:
    await tell(
        actor,
        event,
        person_id=fact.person_id,
        title=REVIEWED[Verdict(fact.verdict)],
        ref_id=fact.break_glass_id,
    )

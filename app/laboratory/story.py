"""What the laboratory adds to the patient's timeline."""

from app.encounters.timeline import tell
from app.kernel.actor import Actor
from app.kernel.events import Event
from app.laboratory.events import ResultReleased, SpecimenCollected, SpecimenRejected


async def tell_collected(actor: Actor, fact: SpecimenCollected, event: Event) -> None:
    await tell(actor, event, person_id=fact.person_id, title="标本已采集，送检验科", ref_id=fact.specimen_id)


async def tell_rejected(actor: Actor, fact: SpecimenRejected, event: Event) -> None:
    await tell(
        actor,
        event,
        person_id=fact.person_id,
        title="标本需要重新采集，请回采集处",
        ref_id=fact.recollect_id,
        once=fact.specimen_id,
    )


async def tell_released(actor: Actor, fact: ResultReleased, event: Event) -> None:
    await tell(
        actor,
        event,
        person_id=fact.person_id,
        title="检验报告已发布" if fact.version == 1 else "检验报告已更正，请查看新版本",
        ref_id=fact.report_id,
    )

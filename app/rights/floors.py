"""What of one person must stay, and until when: the contexts' last days under the rules of the law."""

from uuid import UUID

from app.billing.queries import last_paid
from app.encounters.queries import treated
from app.encounters.tables import EncounterKind
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import query
from app.orders.queries import last_prescribed
from app.orders.tables import PrescriptionMark
from app.rights.rules import FLOORS, Kept, Last, Record, keep, still_kept
from app.rights.tables import Topic

OF_TREATMENT = {EncounterKind.OUTPATIENT: Record.OUTPATIENT, EncounterKind.INPATIENT: Record.INPATIENT}
# A paper red with 精一 is also the one for 麻醉药品.
OF_MARK = {
    PrescriptionMark.ORDINARY: Record.PRESCRIPTION,
    PrescriptionMark.EMERGENCY: Record.PRESCRIPTION,
    PrescriptionMark.PAEDIATRIC: Record.PRESCRIPTION,
    PrescriptionMark.PSYCHOTROPIC2: Record.PRESCRIPTION_2,
    PrescriptionMark.TOXIC: Record.PRESCRIPTION_2,
    PrescriptionMark.NARCOTIC: Record.PRESCRIPTION_3,
}


@query
async def must_stay(actor: Actor, *, person_id: UUID, topics: set[Topic]) -> list[Kept]:
    """What the law keeps today of these topics. The caller has decided who may know."""
    lasts = await _lasts(actor, person_id)
    kept = [keep(record, last) for record, last in lasts.items() if FLOORS[record].topic in topics]
    return still_kept([each for each in kept if each is not None], await clock.today())


async def _lasts(actor: Actor, person_id: UUID) -> dict[Record, Last]:
    lasts: dict[Record, Last] = {}
    for each in await treated(actor, person_id=person_id):
        day = None if each.last_at is None else clock.local_day(each.last_at)
        lasts[OF_TREATMENT[each.kind]] = Last(day=day, running=each.running)
    for mark, at in (await last_prescribed(actor, person_id=person_id)).items():
        record, day = OF_MARK[mark], clock.local_day(at)
        before = lasts.get(record, Last()).day
        lasts[record] = Last(day=max(day, before or day))
    if paid_at := await last_paid(actor, person_id=person_id):
        lasts[Record.MONEY] = Last(day=clock.local_day(paid_at))
    return lasts

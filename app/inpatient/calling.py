"""The call button at the bed. It needs no unlocking: who cannot scan a wristband may need it most."""

from uuid import UUID

from app.alerts.raising import raise_alert
from app.alerts.tables import AlertKind, AlertLevel
from app.inpatient.bedside import bed_of_terminal
from app.kernel.actor import Actor
from app.kernel.database import action, fetch_one

WORDS = "呼叫护士"


@action
async def call_nurse(actor: Actor) -> UUID:
    """Call the ward's nurses to this terminal's bed; pressed again, it is the same call while it is open."""
    bed_id = await bed_of_terminal(actor)
    row = await fetch_one(
        "SELECT bed.ward_id, a.admission_id, a.person_id, a.nurse_id FROM bed"
        " LEFT JOIN jiuyi.stay_in_bed(bed.id) a ON true WHERE bed.id = $1",
        bed_id,
    )
    assert row is not None, f"terminal {actor.id} stands at no bed"
    return await raise_alert(
        actor,
        kind=AlertKind.NURSE_CALL,
        level=AlertLevel.NORMAL,
        ward_id=row["ward_id"],
        bed_id=bed_id,
        person_id=row["person_id"],
        subject_id=row["admission_id"] or bed_id,
        assignee_id=row["nurse_id"],
        text=WORDS,
        once_key=f"nurse_call:{row['admission_id'] or bed_id}",
    )

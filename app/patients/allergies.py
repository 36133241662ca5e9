"""What a person must not be given."""

from uuid import UUID

from app.kernel.actor import Actor
from app.kernel.database import action, fetch_value
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.patients.access import require_may_see
from app.patients.events import AllergyRecorded


@action
async def record_allergy(
    actor: Actor, *, person_id: UUID, substance: str, substance_name: str, reaction: str = ""
) -> UUID:
    """Record an ingredient once; told again, the reaction is brought up to date."""
    await require_may_see(actor, person_id=person_id)
    allergy_id = await fetch_value(
        "INSERT INTO allergy (id, person_id, substance, substance_name, reaction, recorded_at)"
        " VALUES ($1, $2, $3, $4, $5, now()) ON CONFLICT ON CONSTRAINT allergy_once"
        " DO UPDATE SET reaction = $5 RETURNING id",
        new_id(),
        person_id,
        substance,
        substance_name,
        reaction,
    )
    await emit(actor, AllergyRecorded(person_id=person_id, allergy_id=allergy_id))
    return allergy_id

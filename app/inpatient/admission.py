"""Admission, change of bed, and discharge: the stay and all that begins and ends with it."""

from datetime import datetime, timedelta
from uuid import UUID

from app.alerts.raising import cancel_alerts
from app.encounters.tables import EncounterKind
from app.encounters.visiting import close_encounter, open_encounter
from app.inpatient.bedside import end_bedside_sessions
from app.inpatient.daily import post_last_day
from app.inpatient.events import PatientAdmitted, PatientDischarged, PatientMoved
from app.inpatient.stays import StayNotFound, StayOver, open_stay
from app.inpatient.tables import ADMISSION_FLOW, AdmissionStatus
from app.inpatient.wristbands import put_on_wristband
from app.kernel import clock
from app.kernel.actor import Actor, ActorKind
from app.kernel.database import action, fetch_one, fetch_value
from app.kernel.errors import DomainError, Forbidden, Invalid
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.organization.queries import WardView, bed, ward
from app.patients.access import PersonNotFound, relate, require_may_see
from app.patients.tables import CareReason

REGISTRATION = timedelta(hours=12)  # how long who admitted from outside the ward may finish the papers
RECORDS = timedelta(days=7)  # how long the ward may finish its records after discharge
ADMITS_ANYWHERE = ("registrar",)


class AdmissionNotHere(Forbidden):
    code = "admission_not_here"
    message = "只有本病区护士、本科医生或入院处可以办理入院，请联系入院处。"


class BedTaken(DomainError):
    code = "bed_taken"
    message = "该床位已有患者，请选择其他床位。"


class AlreadyAdmitted(DomainError):
    code = "already_admitted"
    message = "该患者已经在院，不能重复办理入院；如需换床请使用换床。"


class NurseNotOfWard(Invalid):
    code = "nurse_not_of_ward"
    message = "责任护士不属于该病区，请重新选择。"


@action
async def admit_patient(actor: Actor, *, person_id: UUID, bed_id: UUID, nurse_id: UUID | None = None) -> UUID:
    """Open a stay in a free bed: encounter, admission number, wristband, and the ward's right to see."""
    place = await ward(actor, ward_id=(await bed(actor, bed_id=bed_id)).ward_id)
    await _require_admitter(actor, place)
    await _require_nurse(nurse_id, place)
    if not await fetch_value("SELECT jiuyi.is_person($1)", person_id):
        raise PersonNotFound(person_id=person_id)
    await _let_see(actor, person_id, place)
    if actor.kind is ActorKind.STAFF:
        until = await clock.now() + REGISTRATION
        await relate(actor, person_id=person_id, staff_id=actor.id, reason=CareReason.ADMISSION, until=until)
    encounter_id = await open_encounter(
        actor, person_id=person_id, kind=EncounterKind.INPATIENT, department_id=place.department_id
    )
    admission_id = await _insert_admission(encounter_id, person_id, place.id, nurse_id)
    await _bind_bed(admission_id, person_id, bed_id)
    await put_on_wristband(actor, admission_id=admission_id)
    await emit(
        actor,
        PatientAdmitted(
            admission_id=admission_id,
            encounter_id=encounter_id,
            person_id=person_id,
            ward_id=place.id,
            bed_id=bed_id,
        ),
    )
    return admission_id


async def _require_admitter(actor: Actor, place: WardView) -> None:
    if actor.kind is ActorKind.SYSTEM:
        return
    role = await fetch_value(
        "SELECT role FROM staff WHERE id = $1 AND active AND $2 = 'staff' AND (role = ANY($3)"
        " OR (role = 'nurse' AND ward_id = $4) OR (role = 'doctor' AND department_id = $5))",
        actor.id,
        str(actor.kind),
        list(ADMITS_ANYWHERE),
        place.id,
        place.department_id,
    )
    if role is None:
        raise AdmissionNotHere(ward_id=place.id)


async def _require_nurse(nurse_id: UUID | None, place: WardView) -> None:
    if nurse_id is None:
        return
    of_ward = await fetch_value(
        "SELECT 1 FROM staff WHERE id = $1 AND active AND role = 'nurse' AND ward_id = $2",
        nurse_id,
        place.id,
    )
    if of_ward is None:
        raise NurseNotOfWard(staff_id=nurse_id, ward_id=place.id)


async def _let_see(actor: Actor, person_id: UUID, place: WardView, *, until: datetime | None = None) -> None:
    """The ward and its department see the patient. One reason for the whole stay, so its end finds it."""
    reason = CareReason.ADMISSION
    await relate(actor, person_id=person_id, ward_id=place.id, reason=reason, until=until)
    await relate(actor, person_id=person_id, department_id=place.department_id, reason=reason, until=until)


async def _insert_admission(
    encounter_id: UUID, person_id: UUID, ward_id: UUID, nurse_id: UUID | None
) -> UUID:
    """The unique index on open stays decides between two desks that admit one patient."""
    now = await clock.now()
    admission_id = await fetch_value(
        "INSERT INTO admission (id, encounter_id, person_id, admission_no, ward_id, nurse_id, status,"
        " admitted_at) VALUES ($1, $2, $3,"
        " 'ZY' || $4::text || lpad(nextval('admission_number')::text, 6, '0'), $5, $6, 'in_ward', $7)"
        " ON CONFLICT (person_id) WHERE status = 'in_ward' DO NOTHING RETURNING id",
        new_id(),
        encounter_id,
        person_id,
        str(clock.local_day(now).year),
        ward_id,
        nurse_id,
        now,
    )
    if admission_id is None:
        raise AlreadyAdmitted(person_id=person_id)
    return admission_id


async def _bind_bed(admission_id: UUID, person_id: UUID, bed_id: UUID) -> None:
    """The exclusion constraints decide between two who want one bed: the second insert does nothing."""
    bound = await fetch_value(
        "INSERT INTO bed_binding (id, admission_id, person_id, bed_id, from_at)"
        " VALUES ($1, $2, $3, $4, jiuyi.now()) ON CONFLICT DO NOTHING RETURNING id",
        new_id(),
        admission_id,
        person_id,
        bed_id,
    )
    if bound is None:
        raise BedTaken(bed_id=bed_id)


@action
async def change_bed(actor: Actor, *, admission_id: UUID, bed_id: UUID) -> UUID:
    """Move to a free bed, of another ward too: the new ward sees the patient, the old one no longer."""
    stay = await open_stay(actor, admission_id=admission_id)
    place = await ward(actor, ward_id=(await bed(actor, bed_id=bed_id)).ward_id)
    now = await clock.now()
    from_bed_id = await _end_binding(admission_id)
    await _bind_bed(admission_id, stay["person_id"], bed_id)
    await end_bedside_sessions(actor, admission_id=admission_id)
    if place.id != stay["ward_id"]:
        await fetch_value(
            "UPDATE admission SET ward_id = $2, nurse_id = NULL WHERE id = $1", admission_id, place.id
        )
        await cancel_alerts(actor, subject_id=admission_id, note="moved")
        await _let_see(actor, stay["person_id"], await ward(actor, ward_id=stay["ward_id"]), until=now)
        await _let_see(actor, stay["person_id"], place)
    await emit(
        actor,
        PatientMoved(
            admission_id=admission_id,
            person_id=stay["person_id"],
            from_ward_id=stay["ward_id"],
            from_bed_id=from_bed_id,
            ward_id=place.id,
            bed_id=bed_id,
        ),
    )
    return admission_id


@action
async def replace_wristband(actor: Actor, *, admission_id: UUID) -> UUID:
    """A new wristband; the old one, and a terminal that it opened, open nothing more."""
    await put_on_wristband(actor, admission_id=admission_id)
    await end_bedside_sessions(actor, admission_id=admission_id)
    return admission_id


@action
async def discharge_patient(actor: Actor, *, admission_id: UUID) -> UUID:
    """End the stay: its bed, wristband, terminal session and open calls end in this transaction."""
    stay = await fetch_one("SELECT * FROM admission WHERE id = $1 FOR UPDATE", admission_id)
    if stay is None:
        raise StayNotFound(admission_id=admission_id)
    await require_may_see(actor, person_id=stay["person_id"])
    if stay["status"] != AdmissionStatus.IN_WARD:
        raise StayOver(admission_id=admission_id)
    await post_last_day(actor, admission_id=admission_id)
    now = await clock.now()
    await ADMISSION_FLOW.move(admission_id, AdmissionStatus.DISCHARGED, discharged_at=now)
    bed_id = await _end_binding(admission_id)
    await end_bedside_sessions(actor, admission_id=admission_id)
    await fetch_value(
        "UPDATE wristband SET ended_at = jiuyi.now() WHERE admission_id = $1 AND ended_at IS NULL",
        admission_id,
    )
    await cancel_alerts(actor, subject_id=admission_id, note="discharged")
    await close_encounter(actor, encounter_id=stay["encounter_id"])
    place = await ward(actor, ward_id=stay["ward_id"])
    await _let_see(actor, stay["person_id"], place, until=now + RECORDS)
    await emit(
        actor,
        PatientDischarged(
            admission_id=admission_id,
            encounter_id=stay["encounter_id"],
            person_id=stay["person_id"],
            ward_id=stay["ward_id"],
            bed_id=bed_id,
        ),
    )
    return admission_id


async def _end_binding(admission_id: UUID) -> UUID:
    bed_id = await fetch_value(
        "UPDATE bed_binding SET to_at = jiuyi.now() WHERE admission_id = $1 AND to_at IS NULL"
        " RETURNING bed_id",
        admission_id,
    )
    assert bed_id is not None, f"stay {admission_id} lies in no bed"
    return bed_id

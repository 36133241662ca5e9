"""May this actor see this patient? The only question that opens a person's rows to anybody."""

from datetime import datetime
from uuid import UUID

from app.kernel.actor import Actor, ActorKind
from app.kernel.database import action, current_transaction, fetch_value, query
from app.kernel.errors import Forbidden, NotFound
from app.kernel.ids import new_id
from app.patients.tables import CareReason, Scope
from app.traces.showing import note_shown


class PersonNotFound(NotFound):
    """Also what a stranger hears: that somebody is a patient here is no stranger's business."""

    code = "person_not_found"
    message = "没有找到该就诊人，请返回就诊人列表重新选择。"


class ConsentRequired(Forbidden):
    """The binding would show it, the person's agreement is missing, was taken back, or is to a text that has
    been replaced."""

    code = "consent_required"
    message = (
        "查看前需要先同意相关的个人信息处理文件。请在“授权与同意”中阅读并同意后再查看；预约和缴费不受影响。"
    )


@query
async def may_see(actor: Actor, *, person_id: UUID) -> bool:
    """An account by a binding that may read and with consent, staff and devices by a live care relation, the
    system always. An account that lacks nothing but the consent hears so: ConsentRequired."""
    if ("seen", person_id) in current_transaction().found_true:
        return True
    if await _sees(actor, person_id):
        remember_seen(person_id)
        return True
    return False


def remember_seen(person_id: UUID) -> None:
    """For a statement that has asked `jiuyi.actor_sees` beside its rows: this transaction asks no more."""
    current_transaction().found_true.add(("seen", person_id))
    note_shown(person_id)


async def _sees(actor: Actor, person_id: UUID) -> bool:
    match actor.kind:
        case ActorKind.SYSTEM:
            return await fetch_value("SELECT EXISTS (SELECT FROM person WHERE id = $1)", person_id)
        case ActorKind.ACCOUNT:
            return await _reads(actor, person_id)
        case ActorKind.STAFF:
            return await fetch_value("SELECT jiuyi.staff_cares_for($1, $2)", actor.id, person_id)
        case ActorKind.DEVICE:
            return await fetch_value("SELECT jiuyi.device_cares_for($1, $2)", actor.id, person_id)
        case ActorKind.CLIENT | ActorKind.ANONYMOUS:
            return False


@query
async def require_may_see(actor: Actor, *, person_id: UUID) -> None:
    if not await may_see(actor, person_id=person_id):
        raise PersonNotFound(person_id=person_id)


@query
async def may_follow(actor: Actor, *, person_id: UUID) -> bool:
    """Appointments, tickets and what a bill is for, whoever of the family booked it; needs no consent.

    For anybody but an account the same as `may_see`.
    """
    if actor.kind is ActorKind.ACCOUNT:
        return await fetch_value("SELECT jiuyi.account_follows($1, $2)", actor.id, person_id)
    return await may_see(actor, person_id=person_id)


@query
async def may_act_for(actor: Actor, *, person_id: UUID, scope: Scope) -> bool:
    """Whether an account's binding has the scope; for anybody else the same as `may_see`."""
    if actor.kind is ActorKind.ACCOUNT:
        return await fetch_value("SELECT jiuyi.account_acts_for($1, $2, $3)", actor.id, person_id, str(scope))
    return await may_see(actor, person_id=person_id)


@action
async def require_may_act_for(actor: Actor, *, person_id: UUID, scope: Scope = Scope.BOOK) -> None:
    """The same before booking, paying and cancelling. A revocation waits until this transaction is over."""
    if actor.kind is ActorKind.ACCOUNT:
        allowed = await fetch_value("SELECT jiuyi.account_uses($1, $2, $3)", actor.id, person_id, str(scope))
    else:
        allowed = await may_see(actor, person_id=person_id)
    if not allowed:
        raise PersonNotFound(person_id=person_id)
    note_shown(person_id)


@query
async def may_speak_for(actor: Actor, *, person_id: UUID) -> bool:
    """Only the person, or a minor's guardian, agrees, invites and revokes."""
    return actor.kind is ActorKind.ACCOUNT and await fetch_value(
        "SELECT jiuyi.account_speaks_for($1, $2)", actor.id, person_id
    )


@query
async def require_speaks_for(actor: Actor, *, person_id: UUID) -> None:
    if not await may_speak_for(actor, person_id=person_id):
        raise PersonNotFound(person_id=person_id)
    note_shown(person_id)


async def _reads(actor: Actor, person_id: UUID) -> bool:
    if await fetch_value("SELECT jiuyi.account_reads($1, $2)", actor.id, person_id):
        return True
    if await may_act_for(actor, person_id=person_id, scope=Scope.READ):
        raise ConsentRequired(person_id=person_id)
    return False


@action
async def relate(
    actor: Actor,
    *,
    person_id: UUID,
    staff_id: UUID | None = None,
    ward_id: UUID | None = None,
    department_id: UUID | None = None,
    device_id: UUID | None = None,
    reason: CareReason,
    until: datetime | None = None,
) -> UUID:
    """Let exactly one staff member, ward, department or device see the person from now `until`.

    Asked again for the same carer and reason it moves the end instead of adding a row.
    """
    carers = (staff_id, ward_id, department_id, device_id)
    assert sum(carer is not None for carer in carers) == 1
    return await fetch_value(
        "SELECT jiuyi.relate($1, $2, $3, $4, $5, $6, $7, $8)",
        new_id(),
        person_id,
        *carers,
        str(reason),
        until,
    )


@action
async def end_relation(
    actor: Actor,
    *,
    person_id: UUID,
    staff_id: UUID | None = None,
    ward_id: UUID | None = None,
    department_id: UUID | None = None,
    device_id: UUID | None = None,
) -> None:
    """The carer sees the person no longer: the patient was discharged, moved, or left the terminal."""
    assert any((staff_id, ward_id, department_id, device_id))
    await fetch_value(
        "SELECT jiuyi.end_relation($1, $2, $3, $4, $5)",
        person_id,
        staff_id,
        ward_id,
        department_id,
        device_id,
    )

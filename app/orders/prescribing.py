"""Writing a prescription: screened when it is drafted and once more when it is signed."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

import asyncpg
import msgspec

from app.catalog.queries import DrugView, drug
from app.catalog.tables import DrugClass, DrugForm
from app.encounters.visiting import open_row
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, execute_many, fetch, fetch_one, fetch_value
from app.kernel.errors import DomainError, Forbidden, Invalid, NotFound
from app.kernel.ids import new_id
from app.orders import rules
from app.orders.rules import Circumstances, DrugLine, Finding, Objection
from app.orders.tables import ControlledUse, DispenseStatus, Frequency, OrderKind
from app.patients.access import require_may_see
from app.patients.queries import allergies_of, person_view

TITLE_MAX = 120
SETTLED = {DispenseStatus.DISPENSED, DispenseStatus.RETURNED, DispenseStatus.CANCELLED}


class PrescriptionRefused(Invalid):
    """The rules speak against it; `positions` names the drugs."""


class PrescriptionEmpty(PrescriptionRefused):
    code = Objection.EMPTY.value
    message = "处方里还没有药品，请先添加药品。"


class TooManyDrugs(PrescriptionRefused):
    code = Objection.TOO_MANY_DRUGS.value
    message = f"每张处方最多 {rules.DRUGS_MAX} 种药品，请分开开具。"


class MixedDrugClasses(PrescriptionRefused):
    code = Objection.MIXED_CLASSES.value
    message = "麻醉、精神、毒性药品须用专用处方，请与其他药品分开开具。"


class SupplyNeedsReason(PrescriptionRefused):
    code = Objection.SUPPLY_NEEDS_REASON.value
    message = f"用量超过 {rules.SUPPLY_DAYS} 天，请注明理由（慢性病、老年病或特殊情况）。"


class SupplyTooLong(PrescriptionRefused):
    code = Objection.SUPPLY_TOO_LONG.value
    message = f"用量不得超过 {rules.SUPPLY_DAYS_WITH_REASON} 天，请减少天数。"


class EmergencySupplyTooLong(PrescriptionRefused):
    code = Objection.EMERGENCY_TOO_LONG.value
    message = f"急诊处方用量不得超过 {rules.SUPPLY_DAYS_EMERGENCY} 天，请减少天数。"


class ControlledSupplyTooLong(PrescriptionRefused):
    code = Objection.CONTROLLED_TOO_LONG.value
    message = "麻醉药品、第一类精神药品超过了该剂型允许的天数，请减少天数，或先办理专用病历登记。"


class ControlledOneDose(PrescriptionRefused):
    code = Objection.CONTROLLED_ONE_DOSE.value
    message = "麻醉药品、第一类精神药品注射剂每张处方为一次常用量，请将频次改为立即一次。"


class ToxicSupplyTooLong(PrescriptionRefused):
    code = Objection.TOXIC_TOO_LONG.value
    message = f"毒性药品每张处方不得超过 {rules.SUPPLY_DAYS_TOXIC} 日极量，请减少天数。"


class AllergyKnown(PrescriptionRefused):
    code = Objection.ALLERGY.value
    message = "患者对处方中的药品成分有过敏记录。请换药；确需使用时，请填写理由并再次签名。"


class DuplicateIngredient(PrescriptionRefused):
    code = Objection.DUPLICATE_INGREDIENT.value
    message = "处方中有相同成分的药品重复使用。请删去其一；确需使用时，请填写理由并再次签名。"


REFUSALS: dict[Objection, type[PrescriptionRefused]] = {
    Objection.EMPTY: PrescriptionEmpty,
    Objection.TOO_MANY_DRUGS: TooManyDrugs,
    Objection.MIXED_CLASSES: MixedDrugClasses,
    Objection.SUPPLY_NEEDS_REASON: SupplyNeedsReason,
    Objection.SUPPLY_TOO_LONG: SupplyTooLong,
    Objection.EMERGENCY_TOO_LONG: EmergencySupplyTooLong,
    Objection.CONTROLLED_TOO_LONG: ControlledSupplyTooLong,
    Objection.CONTROLLED_ONE_DOSE: ControlledOneDose,
    Objection.TOXIC_TOO_LONG: ToxicSupplyTooLong,
    Objection.ALLERGY: AllergyKnown,
    Objection.DUPLICATE_INGREDIENT: DuplicateIngredient,
}


class ReasonTooShort(Invalid):
    code = "reason_too_short"
    message = f"理由至少 {rules.REASON_LETTERS_MIN} 个字，请写明具体原因。"


class QuantityNotPositive(Invalid):
    code = "quantity_not_positive"
    message = "药品的天数和数量必须大于 0，请核对。"


class PrescriptionNotFound(NotFound):
    code = "prescription_not_found"
    message = "没有找到该处方，请返回列表核对。"


class NotThePrescriber(Forbidden):
    code = "not_the_prescriber"
    message = "只有开具处方的医师可以延长有效期，请联系该医师。"


class ExtensionOutOfRange(Invalid):
    code = "extension_out_of_range"
    message = f"处方有效期最长 {rules.VALID_DAYS_MAX} 天，请重新选择天数或重新开具。"


class PrescriptionSettled(DomainError):
    code = "prescription_settled"
    message = "处方已发药、退回或作废，有效期不能再改。"


class DrugAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line as the doctor writes it."""

    drug_id: UUID
    dose: str
    route: str
    frequency: Frequency
    days: int
    quantity: Decimal


@action
async def prescribe(
    actor: Actor,
    *,
    encounter_id: UUID,
    lines: Sequence[DrugAsked],
    emergency: bool = False,
    longer_reason: str = "",
    forced_reason: str = "",
) -> UUID:
    """Draft a prescription. `forced_reason` is the doctor's second signature under a forcible finding."""
    encounter = await open_row(actor, encounter_id=encounter_id)
    if forced_reason and not rules.stated(forced_reason):
        raise ReasonTooShort(encounter_id=encounter_id)
    if any(line.days <= 0 or line.quantity <= 0 for line in lines):
        raise QuantityNotPositive(encounter_id=encounter_id)
    drugs = [await drug(actor, drug_id=line.drug_id) for line in lines]
    drug_lines = [_drug_line(d, line.frequency, line.days) for d, line in zip(drugs, lines, strict=True)]
    about = await circumstances(
        actor,
        person_id=encounter["person_id"],
        encounter_id=encounter_id,
        emergency=emergency,
        longer_reason=longer_reason,
        forced_reason=forced_reason,
    )
    forced = refuse_or_force(drug_lines, about)
    person = await person_view(actor, person_id=encounter["person_id"])
    order_id = await insert_order(
        actor, kind=OrderKind.DRUG, encounter=encounter, title="、".join(d.name for d in drugs)
    )
    await fetch_value(
        "INSERT INTO prescription (id, mark, emergency, longer_reason, forced_reason, forced_by,"
        " forced_against, dispense, window_name, number)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, 'unpaid', '', '')",
        order_id,
        str(rules.mark_of(drug_lines, age=person.age, emergency=emergency)),
        emergency,
        longer_reason.strip(),
        forced_reason.strip() if forced else "",
        actor.id if forced else None,
        sorted(forced),
    )
    await _insert_lines(order_id, lines, drugs)
    return order_id


async def circumstances(
    actor: Actor,
    *,
    person_id: UUID,
    encounter_id: UUID,
    emergency: bool,
    longer_reason: str,
    forced_reason: str,
    before: UUID | None = None,
) -> Circumstances:
    """What the house knows now; `before` is the prescription being judged again.

    Of two drafts with one ingredient the later one is the duplicate, and carries the second signature.
    """
    taken = await fetch(
        "SELECT DISTINCT unnest(l.ingredients) AS ingredient FROM prescription_line l"
        " JOIN clinical_order o ON o.id = l.prescription_id"
        " WHERE o.encounter_id = $1 AND o.status IN ('draft', 'signed', 'verified', 'done')"
        " AND o.payment NOT IN ('refunding', 'refunded') AND ($2::uuid IS NULL OR o.id < $2)",
        encounter_id,
        before,
    )
    uses = await fetch(
        "SELECT use FROM controlled_registration WHERE person_id = $1 AND valid_to >= $2",
        person_id,
        await clock.today(),
    )
    allergies = await allergies_of(actor, person_id=person_id)
    return Circumstances(
        emergency=emergency,
        longer_reason=longer_reason,
        forced_reason=forced_reason,
        allergies=frozenset(allergy.substance for allergy in allergies),
        taken=frozenset(row["ingredient"] for row in taken),
        uses=frozenset(ControlledUse(row["use"]) for row in uses),
    )


def refuse_or_force(lines: Sequence[DrugLine], about: Circumstances) -> frozenset[str]:
    """Raise the first finding that stands; else the ingredients that the second signature covers."""
    findings = rules.objections(lines, about)
    standing = rules.standing(findings, forced=rules.stated(about.forced_reason))
    if standing:
        raise _refusal(standing)
    return frozenset[str]().union(*(finding.ingredients for finding in findings))


def _refusal(findings: Sequence[Finding]) -> PrescriptionRefused:
    first = findings[0]
    same = [f.position for f in findings if f.objection == first.objection and f.position is not None]
    return REFUSALS[first.objection](**({"positions": ",".join(map(str, same))} if same else {}))


def _drug_line(found: DrugView, frequency: Frequency, days: int) -> DrugLine:
    return DrugLine(
        drug_class=found.drug_class,
        form=found.form,
        ingredients=frozenset(found.ingredients),
        frequency=frequency,
        days=days,
    )


async def insert_order(actor: Actor, *, kind: OrderKind, encounter: asyncpg.Record, title: str) -> UUID:
    order_id = new_id()
    await fetch_value(
        "INSERT INTO clinical_order (id, kind, encounter_id, person_id, department_id, title, status,"
        " payment, charge_used, ordered_by, ordered_at, end_reason)"
        " VALUES ($1, $2, $3, $4, $5, $6, 'draft', 'unpaid', false, $7, $8, '')",
        order_id,
        str(kind),
        encounter["id"],
        encounter["person_id"],
        encounter["department_id"],
        title if len(title) <= TITLE_MAX else title[: TITLE_MAX - 1] + "…",
        actor.id,
        await clock.now(),
    )
    return order_id


async def _insert_lines(order_id: UUID, lines: Sequence[DrugAsked], drugs: Sequence[DrugView]) -> None:
    await execute_many(
        "INSERT INTO prescription_line (id, prescription_id, position, drug_id, item_id, name, spec,"
        " dose, route, frequency, days, quantity, ingredients)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        [
            (
                new_id(),
                order_id,
                position,
                found.id,
                found.item_id,
                found.name,
                found.spec,
                line.dose,
                line.route,
                str(line.frequency),
                line.days,
                line.quantity,
                list(found.ingredients),
            )
            for position, (line, found) in enumerate(zip(lines, drugs, strict=True), start=1)
        ],
    )


@action
async def screen_again(actor: Actor, *, order: asyncpg.Record) -> None:
    """Before signing: an allergy may have been recorded, another prescription written since the draft."""
    row = await fetch_one("SELECT * FROM prescription WHERE id = $1", order["id"])
    assert row is not None
    lines = await fetch(
        "SELECT d.drug_class, d.form, l.ingredients, l.frequency, l.days FROM prescription_line l"
        " JOIN drug d ON d.id = l.drug_id WHERE l.prescription_id = $1 ORDER BY l.position",
        order["id"],
    )
    about = await circumstances(
        actor,
        person_id=order["person_id"],
        encounter_id=order["encounter_id"],
        emergency=row["emergency"],
        longer_reason=row["longer_reason"],
        forced_reason=row["forced_reason"],
        before=order["id"],
    )
    against = refuse_or_force([_stored_line(line) for line in lines], about)
    if unsigned := against - set(row["forced_against"]):
        # The second signature was given under other findings than these.
        hit = Objection.ALLERGY if unsigned & about.allergies else Objection.DUPLICATE_INGREDIENT
        raise REFUSALS[hit](order_id=order["id"])


def _stored_line(row: asyncpg.Record) -> DrugLine:
    return DrugLine(
        drug_class=DrugClass(row["drug_class"]),
        form=DrugForm(row["form"]),
        ingredients=frozenset(row["ingredients"]),
        frequency=Frequency(row["frequency"]),
        days=row["days"],
    )


@action
async def extend_validity(actor: Actor, *, prescription_id: UUID, days: int) -> UUID:
    """Let the prescription hold `days` days counted from the one it was signed on."""
    row = await fetch_one(
        "SELECT o.ordered_by, o.person_id, o.signed_at, p.dispense FROM prescription p"
        " JOIN clinical_order o ON o.id = p.id WHERE p.id = $1 FOR UPDATE OF p",
        prescription_id,
    )
    if row is None or row["signed_at"] is None:
        raise PrescriptionNotFound(prescription_id=prescription_id)
    await require_may_see(actor, person_id=row["person_id"])
    if row["ordered_by"] != actor.id:
        raise NotThePrescriber(prescription_id=prescription_id)
    if row["dispense"] in SETTLED:
        raise PrescriptionSettled(prescription_id=prescription_id)
    if not rules.VALID_DAYS <= days <= rules.VALID_DAYS_MAX:
        raise ExtensionOutOfRange(prescription_id=prescription_id)
    await fetch_value(
        "UPDATE prescription SET valid_until = greatest(valid_until, $2) WHERE id = $1",
        prescription_id,
        rules.valid_until(row["signed_at"], days=days),
    )
    return prescription_id


@action
async def register_controlled_use(
    actor: Actor, *, person_id: UUID, use: ControlledUse, valid_to: date
) -> UUID:
    """Put a patient on file for long use of controlled drugs; asked again it moves the end."""
    await require_may_see(actor, person_id=person_id)
    return await fetch_value(
        "INSERT INTO controlled_registration (id, person_id, use, registered_by, registered_at, valid_to)"
        " VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT ON CONSTRAINT controlled_registration_once"
        " DO UPDATE SET registered_by = $4, registered_at = $5, valid_to = $6 RETURNING id",
        new_id(),
        person_id,
        str(use),
        actor.id,
        await clock.now(),
        valid_to,
    )

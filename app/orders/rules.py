"""What may be prescribed, for how long, and until when: docs/algorithms/prescriptions.md in code."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from enum import StrEnum

import msgspec

from app.catalog.tables import DrugClass, DrugForm
from app.kernel.clock import LOCAL, local_day
from app.orders.tables import ControlledUse, Frequency, PrescriptionMark

DRUGS_MAX = 5
VALID_DAYS = 1
VALID_DAYS_MAX = 3
PAYABLE_HOURS_MIN = 2  # who is sent to pay shortly before midnight must be able to
SUPPLY_DAYS = 7
SUPPLY_DAYS_EMERGENCY = 3
SUPPLY_DAYS_WITH_REASON = 84  # the national long-term rule ends at twelve weeks
SUPPLY_DAYS_TOXIC = 2
SUPPLY_DAYS_ADHD = 15
PAEDIATRIC_BELOW_YEARS = 14
REASON_LETTERS_MIN = 4
METHYLPHENIDATE = "methylphenidate"

# Narcotic and class-1 psychotropic, in days by form; an injection is one usual dose unless pain is on file.
STRICT_DAYS = {DrugForm.INJECTION: 1, DrugForm.SUSTAINED_RELEASE: 7, DrugForm.OTHER: 3}
STRICT_DAYS_PAIN = {DrugForm.INJECTION: 3, DrugForm.SUSTAINED_RELEASE: 15, DrugForm.OTHER: 7}
STRICT_CLASSES = {DrugClass.NARCOTIC, DrugClass.PSYCHOTROPIC1}


class Objection(StrEnum):
    """Why a prescription cannot stand as it is written."""

    EMPTY = "prescription_empty"
    TOO_MANY_DRUGS = "too_many_drugs"
    MIXED_CLASSES = "mixed_drug_classes"
    SUPPLY_NEEDS_REASON = "supply_needs_reason"
    SUPPLY_TOO_LONG = "supply_too_long"
    EMERGENCY_TOO_LONG = "emergency_supply_too_long"
    CONTROLLED_TOO_LONG = "controlled_supply_too_long"
    CONTROLLED_ONE_DOSE = "controlled_one_dose"
    TOXIC_TOO_LONG = "toxic_supply_too_long"
    ALLERGY = "allergy"
    DUPLICATE_INGREDIENT = "duplicate_ingredient"


FORCIBLE = {Objection.ALLERGY, Objection.DUPLICATE_INGREDIENT}


class DrugLine(msgspec.Struct, frozen=True, kw_only=True):
    """A drug as far as the rules look at it."""

    drug_class: DrugClass
    form: DrugForm
    ingredients: frozenset[str]
    frequency: Frequency
    days: int


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about the patient and the visit when a prescription is judged."""

    emergency: bool = False
    longer_reason: str = ""
    forced_reason: str = ""
    allergies: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()  # ingredients of the visit's other live prescriptions
    uses: frozenset[ControlledUse] = frozenset()


class Finding(msgspec.Struct, frozen=True):
    objection: Objection
    position: int | None = None  # of the line, from 1
    ingredients: frozenset[str] = frozenset()

    @property
    def forcible(self) -> bool:
        return self.objection in FORCIBLE


def objections(lines: Sequence[DrugLine], about: Circumstances) -> list[Finding]:
    """All that speaks against the prescription, the unforcible first. Empty: it may be signed."""
    found = [*_whole(lines), *_supplies(lines, about), *_ingredients(lines, about)]
    return sorted(found, key=lambda finding: finding.forcible)


def standing(findings: Iterable[Finding], *, forced: bool) -> list[Finding]:
    """The findings that the doctor's second signature does not set aside."""
    return [finding for finding in findings if not (forced and finding.forcible)]


def stated(reason: str) -> bool:
    """A reason somebody wrote, not a full stop."""
    return len(reason.strip()) >= REASON_LETTERS_MIN


def _whole(lines: Sequence[DrugLine]) -> list[Finding]:
    if not lines:
        return [Finding(Objection.EMPTY)]
    found: list[Finding] = []
    if len(lines) > DRUGS_MAX:
        found.append(Finding(Objection.TOO_MANY_DRUGS))
    if len({_paper(line.drug_class) for line in lines}) > 1:
        found.append(Finding(Objection.MIXED_CLASSES))
    return found


def _supplies(lines: Sequence[DrugLine], about: Circumstances) -> list[Finding]:
    found = [(position, supply_objection(line, about)) for position, line in enumerate(lines, start=1)]
    return [Finding(objection, position) for position, objection in found if objection is not None]


def supply_objection(line: DrugLine, about: Circumstances) -> Objection | None:
    """Whether one drug is supplied for too long."""
    if line.drug_class in STRICT_CLASSES:
        return _strict_objection(line, about)
    if line.drug_class == DrugClass.TOXIC:
        return Objection.TOXIC_TOO_LONG if line.days > SUPPLY_DAYS_TOXIC else None
    if about.emergency:
        return Objection.EMERGENCY_TOO_LONG if line.days > SUPPLY_DAYS_EMERGENCY else None
    if line.days > SUPPLY_DAYS_WITH_REASON:
        return Objection.SUPPLY_TOO_LONG
    if line.days > SUPPLY_DAYS and not stated(about.longer_reason):
        return Objection.SUPPLY_NEEDS_REASON
    return None


def _strict_objection(line: DrugLine, about: Circumstances) -> Objection | None:
    if line.days > strict_days(line, about):
        return Objection.CONTROLLED_TOO_LONG
    one_dose = line.form == DrugForm.INJECTION and ControlledUse.PAIN not in about.uses
    if one_dose and line.frequency != Frequency.ST:
        return Objection.CONTROLLED_ONE_DOSE
    return None


def strict_days(line: DrugLine, about: Circumstances) -> int:
    """The longest supply of a narcotic or class-1 psychotropic drug, in days. No reason extends it."""
    if ControlledUse.ADHD in about.uses and METHYLPHENIDATE in line.ingredients:
        limit = SUPPLY_DAYS_ADHD
    elif ControlledUse.PAIN in about.uses:
        limit = STRICT_DAYS_PAIN[line.form]
    else:
        limit = STRICT_DAYS[line.form]
    return min(limit, SUPPLY_DAYS_EMERGENCY) if about.emergency else limit


def _ingredients(lines: Sequence[DrugLine], about: Circumstances) -> list[Finding]:
    found: list[Finding] = []
    seen = set(about.taken)
    for position, line in enumerate(lines, start=1):
        if hit := line.ingredients & about.allergies:
            found.append(Finding(Objection.ALLERGY, position, hit))
        if twice := line.ingredients & seen:
            found.append(Finding(Objection.DUPLICATE_INGREDIENT, position, twice))
        seen |= line.ingredients
    return found


def _paper(drug_class: DrugClass) -> PrescriptionMark:
    """The paper a class needs. Classes on different papers cannot share a prescription."""
    if drug_class in STRICT_CLASSES:
        return PrescriptionMark.NARCOTIC
    if drug_class == DrugClass.PSYCHOTROPIC2:
        return PrescriptionMark.PSYCHOTROPIC2
    if drug_class == DrugClass.TOXIC:
        return PrescriptionMark.TOXIC
    return PrescriptionMark.ORDINARY


def mark_of(lines: Sequence[DrugLine], *, age: int, emergency: bool) -> PrescriptionMark:
    """What the prescription is marked with: the drugs' class, then emergency, then a child's."""
    paper = _paper(lines[0].drug_class)
    if paper != PrescriptionMark.ORDINARY:
        return paper
    if emergency:
        return PrescriptionMark.EMERGENCY
    return PrescriptionMark.PAEDIATRIC if age < PAEDIATRIC_BELOW_YEARS else PrescriptionMark.ORDINARY


def valid_until(signed_at: datetime, *, days: int = VALID_DAYS) -> datetime:
    """The first instant at which a prescription no longer holds: a midnight in the hospital's time."""
    assert 1 <= days <= VALID_DAYS_MAX
    end: date = local_day(signed_at) + timedelta(days=days)
    return datetime.combine(end, time(), tzinfo=LOCAL)


def payable_until(signed_at: datetime) -> datetime:
    """When the bill of a submission ends: with its day, but not before two hours have passed."""
    return max(valid_until(signed_at), signed_at + timedelta(hours=PAYABLE_HOURS_MIN))


def is_valid(until: datetime, *, now: datetime) -> bool:
    return now < until

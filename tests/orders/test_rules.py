"""Both sides of every bound of docs/algorithms/prescriptions.md."""

from datetime import datetime, timedelta

import pytest

from app.catalog.tables import DrugClass, DrugForm
from app.kernel.clock import LOCAL
from app.orders import rules
from app.orders.rules import Circumstances, DrugLine, Finding, Objection
from app.orders.tables import ControlledUse, Frequency, PrescriptionMark

PLAIN = Circumstances()
REASON = Circumstances(longer_reason="高血压长期用药")
EMERGENCY = Circumstances(emergency=True)
EMERGENCY_WITH_REASON = Circumstances(emergency=True, longer_reason="高血压长期用药")
PAIN = Circumstances(uses=frozenset({ControlledUse.PAIN}))
PAIN_EMERGENCY = Circumstances(uses=frozenset({ControlledUse.PAIN}), emergency=True)
ADHD = Circumstances(uses=frozenset({ControlledUse.ADHD}))

ORDINARY, NARCOTIC, TOXIC = DrugClass.ORDINARY, DrugClass.NARCOTIC, DrugClass.TOXIC
PSY1, PSY2 = DrugClass.PSYCHOTROPIC1, DrugClass.PSYCHOTROPIC2
INJECTION, RETARD, OTHER = DrugForm.INJECTION, DrugForm.SUSTAINED_RELEASE, DrugForm.OTHER


def line(
    days: int = 3,
    drug_class: DrugClass = ORDINARY,
    form: DrugForm = OTHER,
    *ingredients: str,
    frequency: Frequency = Frequency.TID,
) -> DrugLine:
    return DrugLine(
        drug_class=drug_class,
        form=form,
        ingredients=frozenset(ingredients),
        frequency=frequency,
        days=days,
    )


def said(findings: list[Finding]) -> list[Objection]:
    return [finding.objection for finding in findings]


@pytest.mark.parametrize(
    ("drug", "about", "objection"),
    [
        pytest.param(line(7), PLAIN, None, id="ordinary 7 days"),
        pytest.param(line(8), PLAIN, Objection.SUPPLY_NEEDS_REASON, id="ordinary 8 days"),
        pytest.param(line(8), REASON, None, id="8 days with a reason"),
        pytest.param(line(84), REASON, None, id="84 days with a reason"),
        pytest.param(line(85), REASON, Objection.SUPPLY_TOO_LONG, id="85 days with a reason"),
        pytest.param(line(3), EMERGENCY, None, id="emergency 3 days"),
        pytest.param(line(4), EMERGENCY, Objection.EMERGENCY_TOO_LONG, id="emergency 4 days"),
        pytest.param(
            line(4), EMERGENCY_WITH_REASON, Objection.EMERGENCY_TOO_LONG, id="a reason extends no emergency"
        ),
        pytest.param(line(7, PSY2), PLAIN, None, id="class 2 psychotropic 7 days"),
        pytest.param(line(8, PSY2), PLAIN, Objection.SUPPLY_NEEDS_REASON, id="class 2 psychotropic 8 days"),
        pytest.param(line(8, PSY2), REASON, None, id="class 2 psychotropic 8 days with a reason"),
        pytest.param(line(2, TOXIC), PLAIN, None, id="toxic 2 days"),
        pytest.param(line(3, TOXIC), PLAIN, Objection.TOXIC_TOO_LONG, id="toxic 3 days"),
        pytest.param(line(3, TOXIC), REASON, Objection.TOXIC_TOO_LONG, id="a reason extends no toxic drug"),
        pytest.param(line(3, NARCOTIC), PLAIN, None, id="narcotic tablets 3 days"),
        pytest.param(line(4, NARCOTIC), PLAIN, Objection.CONTROLLED_TOO_LONG, id="narcotic tablets 4 days"),
        pytest.param(line(4, NARCOTIC), REASON, Objection.CONTROLLED_TOO_LONG, id="a reason extends none"),
        pytest.param(line(7, PSY1, RETARD), PLAIN, None, id="sustained release 7 days"),
        pytest.param(
            line(8, PSY1, RETARD), PLAIN, Objection.CONTROLLED_TOO_LONG, id="sustained release 8 days"
        ),
        pytest.param(line(7, NARCOTIC), PAIN, None, id="pain on file: tablets 7 days"),
        pytest.param(line(8, NARCOTIC), PAIN, Objection.CONTROLLED_TOO_LONG, id="pain on file: tablets 8"),
        pytest.param(line(15, NARCOTIC, RETARD), PAIN, None, id="pain on file: sustained release 15"),
        pytest.param(
            line(16, NARCOTIC, RETARD), PAIN, Objection.CONTROLLED_TOO_LONG, id="pain: sustained 16"
        ),
        pytest.param(line(3, NARCOTIC, INJECTION), PAIN, None, id="pain on file: injections 3 days"),
        pytest.param(
            line(4, NARCOTIC, INJECTION), PAIN, Objection.CONTROLLED_TOO_LONG, id="pain: injections 4 days"
        ),
        pytest.param(
            line(1, NARCOTIC, INJECTION, frequency=Frequency.ST), PLAIN, None, id="one injection at once"
        ),
        pytest.param(
            line(1, NARCOTIC, INJECTION), PLAIN, Objection.CONTROLLED_ONE_DOSE, id="injections thrice a day"
        ),
        pytest.param(
            line(2, NARCOTIC, INJECTION, frequency=Frequency.ST),
            PLAIN,
            Objection.CONTROLLED_TOO_LONG,
            id="injections for 2 days",
        ),
        pytest.param(line(15, PSY1, OTHER, rules.METHYLPHENIDATE), ADHD, None, id="ADHD 15 days"),
        pytest.param(
            line(16, PSY1, OTHER, rules.METHYLPHENIDATE),
            ADHD,
            Objection.CONTROLLED_TOO_LONG,
            id="ADHD 16 days",
        ),
        pytest.param(line(4, PSY1), ADHD, Objection.CONTROLLED_TOO_LONG, id="ADHD is for one drug only"),
        pytest.param(line(3, NARCOTIC), PAIN_EMERGENCY, None, id="pain, emergency, 3 days"),
        pytest.param(
            line(4, NARCOTIC), PAIN_EMERGENCY, Objection.CONTROLLED_TOO_LONG, id="pain, emergency, 4 days"
        ),
    ],
)
def test_supply_is_limited(drug: DrugLine, about: Circumstances, objection: Objection | None) -> None:
    assert said(rules.objections([drug], about)) == ([] if objection is None else [objection])


def test_five_drugs_fit_one_prescription_and_six_do_not() -> None:
    six = [line(3, ORDINARY, OTHER, str(n)) for n in range(6)]
    assert rules.objections(six[:5], PLAIN) == []
    assert said(rules.objections(six, PLAIN)) == [Objection.TOO_MANY_DRUGS]


def test_an_empty_prescription_is_none() -> None:
    assert said(rules.objections([], PLAIN)) == [Objection.EMPTY]


def test_classes_on_different_papers_do_not_mix() -> None:
    assert said(rules.objections([line(1), line(1, NARCOTIC)], PLAIN)) == [Objection.MIXED_CLASSES]
    assert rules.objections([line(1, PSY1), line(1, NARCOTIC)], PLAIN) == []


def test_an_allergy_speaks_against_its_ingredient_only() -> None:
    about = Circumstances(allergies=frozenset({"penicillin"}))
    drugs = [line(3, ORDINARY, OTHER, "ibuprofen"), line(3, ORDINARY, OTHER, "penicillin", "clavulanate")]
    assert rules.objections(drugs, about) == [Finding(Objection.ALLERGY, 2, frozenset({"penicillin"}))]


def test_one_ingredient_is_not_given_twice() -> None:
    twice = [line(3, ORDINARY, OTHER, "paracetamol"), line(3, ORDINARY, OTHER, "paracetamol", "codeine")]
    assert rules.objections(twice, PLAIN) == [
        Finding(Objection.DUPLICATE_INGREDIENT, 2, frozenset({"paracetamol"}))
    ]
    taken = Circumstances(taken=frozenset({"paracetamol"}))
    assert said(rules.objections(twice[:1], taken)) == [Objection.DUPLICATE_INGREDIENT]


def test_a_second_signature_sets_aside_only_what_may_be_forced() -> None:
    about = Circumstances(allergies=frozenset({"a"}))
    findings = rules.objections([line(8, ORDINARY, OTHER, "a")], about)
    assert said(findings) == [Objection.SUPPLY_NEEDS_REASON, Objection.ALLERGY]
    assert said(rules.standing(findings, forced=True)) == [Objection.SUPPLY_NEEDS_REASON]
    assert rules.standing(findings, forced=False) == findings


@pytest.mark.parametrize(
    ("reason", "good"), [("", False), ("慢性病", False), ("  慢性病  ", False), ("慢病用药", True)]
)
def test_a_reason_has_four_letters(reason: str, good: bool) -> None:
    assert rules.stated(reason) is good


@pytest.mark.parametrize(
    ("drug", "age", "emergency", "mark"),
    [
        pytest.param(line(), 14, False, PrescriptionMark.ORDINARY, id="fourteen is no child here"),
        pytest.param(line(), 13, False, PrescriptionMark.PAEDIATRIC, id="thirteen is"),
        pytest.param(line(), 13, True, PrescriptionMark.EMERGENCY, id="emergency before child"),
        pytest.param(line(1, PSY2), 13, True, PrescriptionMark.PSYCHOTROPIC2, id="class before emergency"),
        pytest.param(line(1, PSY1), 40, False, PrescriptionMark.NARCOTIC, id="class 1 on the red paper"),
        pytest.param(line(1, TOXIC), 40, False, PrescriptionMark.TOXIC, id="toxic"),
    ],
)
def test_the_mark(drug: DrugLine, age: int, emergency: bool, mark: PrescriptionMark) -> None:
    assert rules.mark_of([drug], age=age, emergency=emergency) == mark


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LOCAL)


def test_a_prescription_holds_until_the_last_second_of_its_day() -> None:
    until = rules.valid_until(at("2026-03-05T08:30:00"))
    assert rules.is_valid(until, now=at("2026-03-05T23:59:59"))
    assert not rules.is_valid(until, now=at("2026-03-06T00:00:00"))


def test_the_day_is_the_hospitals_not_greenwichs() -> None:
    signed = datetime.fromisoformat("2026-03-04T17:00:00+00:00")  # 01:00 on the 5th here
    assert rules.valid_until(signed) == at("2026-03-06T00:00:00")


def test_an_extended_prescription_holds_three_days() -> None:
    until = rules.valid_until(at("2026-03-05T08:30:00"), days=3)
    assert rules.is_valid(until, now=at("2026-03-07T23:59:59"))
    assert not rules.is_valid(until, now=at("2026-03-08T00:00:00"))


def test_a_bill_ends_with_the_day_or_after_two_hours() -> None:
    assert rules.payable_until(at("2026-03-05T10:00:00")) == at("2026-03-06T00:00:00")
    late = at("2026-03-05T23:30:00")
    assert rules.payable_until(late) == late + timedelta(hours=2)

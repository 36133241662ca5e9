"""Prescriptions against what is on file: allergies, duplicates, registrations, and later changes."""

from datetime import timedelta
from decimal import Decimal

import pytest

from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch
from app.orders import prescribing
from app.orders.placing import withdraw_submission
from app.orders.prescribing import extend_validity, prescribe, register_controlled_use
from app.orders.queries import FREQUENCY_NAMES
from app.orders.rules import Objection
from app.orders.tables import ControlledUse, Frequency
from tests.make import identity, orders, organization
from tests.make.orders import Visit
from tests.make.rows import row, value

TEST = system("test")


async def allergic_to(visit: Visit, substance: str) -> None:
    await row(
        "allergy", person_id=visit.person_id, substance=substance, substance_name="青霉素", reaction="皮疹"
    )


def test_every_objection_has_its_refusal() -> None:
    assert {refusal.code for refusal in prescribing.REFUSALS.values()} == set(Objection)


async def test_a_known_allergy_is_refused_with_the_drugs_place(db: str) -> None:
    visit = await orders.visit()
    await allergic_to(visit, "amoxicillin")
    with pytest.raises(prescribing.AllergyKnown) as refused:
        await orders.prescription(visit)
    assert refused.value.code == "allergy"
    assert refused.value.ids == {"positions": "1"}


async def test_the_second_signature_is_kept_with_its_reason(db: str) -> None:
    visit = await orders.visit()
    await allergic_to(visit, "amoxicillin")
    forced = await orders.prescription(visit, forced_reason="皮试阴性，获益大于风险")
    assert await value("SELECT forced_by FROM prescription WHERE id = $1", forced) == visit.doctor.id
    assert await value("SELECT forced_against FROM prescription WHERE id = $1", forced) == ["amoxicillin"]
    await orders.submit(visit)
    assert await orders.order_state(forced) == ("signed", "unpaid")


async def test_a_second_signature_without_a_reason_is_refused(db: str) -> None:
    visit = await orders.visit()
    await allergic_to(visit, "amoxicillin")
    with pytest.raises(prescribing.ReasonTooShort):
        await orders.prescription(visit, forced_reason="是")


async def test_a_second_signature_under_nothing_is_not_kept(db: str) -> None:
    visit = await orders.visit()
    plain = await orders.prescription(visit, forced_reason="皮试阴性，可以使用")
    assert await value("SELECT forced_reason FROM prescription WHERE id = $1", plain) == ""


async def test_an_allergy_recorded_after_the_draft_stops_the_signing(db: str) -> None:
    visit = await orders.visit()
    await orders.prescription(visit)
    await allergic_to(visit, "amoxicillin")
    with pytest.raises(prescribing.AllergyKnown):
        await orders.submit(visit)


async def test_a_second_signature_does_not_cover_what_was_found_later(db: str) -> None:
    visit = await orders.visit()
    await allergic_to(visit, "amoxicillin")
    both = await orders.drug(ingredients=["amoxicillin", "clavulanate"])
    await orders.prescription(visit, both, forced_reason="皮试阴性，可以使用")
    await allergic_to(visit, "clavulanate")
    with pytest.raises(prescribing.AllergyKnown):
        await orders.submit(visit)


async def test_two_prescriptions_of_a_visit_do_not_repeat_an_ingredient(db: str) -> None:
    visit = await orders.visit()
    await orders.prescription(visit)
    with pytest.raises(prescribing.DuplicateIngredient):
        await orders.prescription(visit)


async def test_a_duplicate_that_was_forced_is_signed_with_the_first(db: str) -> None:
    visit = await orders.visit()
    first = await orders.prescription(visit)
    second = await orders.prescription(visit, forced_reason="首剂加倍，按指南")
    await orders.submit(visit)
    assert await orders.order_state(first) == ("signed", "unpaid")
    assert await orders.order_state(second) == ("signed", "unpaid")


async def test_eight_days_need_a_reason(db: str) -> None:
    visit = await orders.visit()
    lines = [orders.line(await orders.drug(), days=8)]
    with pytest.raises(prescribing.SupplyNeedsReason):
        await prescribe(visit.doctor, encounter_id=visit.encounter_id, lines=lines)
    assert await prescribe(
        visit.doctor, encounter_id=visit.encounter_id, lines=lines, longer_reason="高血压长期用药"
    )


async def test_fifteen_days_for_pain_need_the_registration(db: str) -> None:
    visit = await orders.visit()
    retard = await orders.drug(drug_class="narcotic", form="sustained_release")
    lines = [orders.line(retard, days=15)]
    with pytest.raises(prescribing.ControlledSupplyTooLong):
        await prescribe(visit.doctor, encounter_id=visit.encounter_id, lines=lines)
    await register(visit, days=0)
    prescription = await prescribe(visit.doctor, encounter_id=visit.encounter_id, lines=lines)
    assert await value("SELECT mark FROM prescription WHERE id = $1", prescription) == "narcotic"


async def test_a_registration_that_ended_yesterday_does_not_count(db: str) -> None:
    visit = await orders.visit()
    retard = await orders.drug(drug_class="narcotic", form="sustained_release")
    await register(visit, days=-1)
    with pytest.raises(prescribing.ControlledSupplyTooLong):
        await prescribe(visit.doctor, encounter_id=visit.encounter_id, lines=[orders.line(retard, days=15)])
    await register(visit, days=1)
    assert await value("SELECT count(*) FROM controlled_registration") == 1


async def register(visit: Visit, *, days: int) -> None:
    today = clock.local_day(clock.wall())
    await register_controlled_use(
        visit.doctor, person_id=visit.person_id, use=ControlledUse.PAIN, valid_to=today + timedelta(days=days)
    )


@pytest.mark.parametrize("values", [{"days": 0}, {"quantity": Decimal(0)}], ids=["days", "quantity"])
async def test_nothing_is_not_a_quantity(db: str, values: dict[str, object]) -> None:
    visit = await orders.visit()
    lines = [orders.line(await orders.drug(), **values)]
    with pytest.raises(prescribing.QuantityNotPositive):
        await prescribe(visit.doctor, encounter_id=visit.encounter_id, lines=lines)


async def test_a_long_title_is_cut(db: str) -> None:
    visit = await orders.visit()
    drugs = [await orders.drug(ingredients=[str(n)]) for n in range(5)]
    await rename_drugs("很长的药品名称" * 10)
    prescription = await orders.prescription(visit, *drugs)
    title = await value("SELECT title FROM clinical_order WHERE id = $1", prescription)
    assert len(title) == prescribing.TITLE_MAX
    assert title.endswith("…")


async def rename_drugs(name: str) -> None:
    await _rename(TEST, name=name)


@action
async def _rename(actor: Actor, *, name: str) -> None:
    await fetch("UPDATE drug SET name = $1", name)


async def test_validity_is_extended_by_its_doctor_up_to_three_days(db: str) -> None:
    visit = await orders.visit()
    prescription = await orders.paid_prescription(visit)
    before = await value("SELECT valid_until FROM prescription WHERE id = $1", prescription)
    await extend_validity(visit.doctor, prescription_id=prescription, days=3)
    after = await value("SELECT valid_until FROM prescription WHERE id = $1", prescription)
    assert after - before == timedelta(days=2)
    with pytest.raises(prescribing.ExtensionOutOfRange):
        await extend_validity(visit.doctor, prescription_id=prescription, days=4)


async def test_nobody_else_extends_a_prescription(db: str) -> None:
    visit = await orders.visit()
    prescription = await orders.paid_prescription(visit)
    colleague = identity.staff_actor(await organization.staff(department_id=visit.department_id))
    with pytest.raises(prescribing.NotThePrescriber):
        await extend_validity(colleague, prescription_id=prescription, days=2)


async def test_a_draft_has_no_validity_to_extend(db: str) -> None:
    visit = await orders.visit()
    draft = await orders.prescription(visit)
    with pytest.raises(prescribing.PrescriptionNotFound):
        await extend_validity(visit.doctor, prescription_id=draft, days=2)


async def test_a_settled_prescription_is_not_extended(db: str) -> None:
    visit = await orders.visit()
    prescription = await orders.prescription(visit)
    await withdraw_submission(visit.doctor, submission_id=await orders.submit(visit))
    with pytest.raises(prescribing.PrescriptionSettled):
        await extend_validity(visit.doctor, prescription_id=prescription, days=2)


def test_every_frequency_has_words_for_the_patient() -> None:
    assert set(FREQUENCY_NAMES) == set(Frequency)

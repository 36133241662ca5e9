"""From payment to the patient's hands: reviewed, called, checked four ways, once."""

from datetime import date, timedelta
from uuid import UUID

import pytest

from app.billing.refunds import request_refund
from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch
from app.orders.executing import PrescriptionExpired, PrescriptionNotWaiting
from app.orders.paying import OrderNotStoppable, stop_order
from app.orders.prescribing import PrescriptionNotFound, extend_validity
from app.orders.queries import pharmacy_queue
from app.pharmacy import dispensing, reviewing
from app.pharmacy.dispensing import call_to_window, dispense
from app.pharmacy.reviewing import review_prescription
from app.pharmacy.tables import Check4, ReviewCategory, ReviewDecision
from app.queueing.calling import miss_ticket
from tests.make import orders, organization, pharmacy
from tests.make.rows import value

TEST = system("test")


async def state(prescription_id: UUID) -> str:
    return await value("SELECT dispense FROM prescription WHERE id = $1", prescription_id)


async def ticket_status(prescription_id: UUID) -> str:
    return await value("SELECT status FROM ticket WHERE subject_id = $1", prescription_id)


async def test_review_call_and_hand_over(db: str) -> None:
    visit = await orders.visit()
    prescription = await pharmacy.reviewed(
        visit, await orders.drug(ingredients=["a"]), await orders.drug(ingredients=["b"])
    )
    assert await orders.order_state(prescription) == ("verified", "paid")
    await call_to_window(visit.pharmacist, prescription_id=prescription)
    assert (await state(prescription), await ticket_status(prescription)) == ("ready", "called")
    await pharmacy.hand_over(visit.second_pharmacist, prescription)
    assert (await state(prescription), await ticket_status(prescription)) == ("dispensed", "done")
    assert await orders.order_state(prescription) == ("done", "paid")
    assert await value("SELECT array_agg(DISTINCT fulfilment) FROM charge") == ["fulfilled"]
    assert await value("SELECT count(*) FROM dispensed_line WHERE batch_number = 'B20260301'") == 2
    await orders.settle()
    kinds = await value("SELECT array_agg(kind ORDER BY at, id) FROM timeline_entry WHERE kind LIKE 'presc%'")
    assert kinds == ["prescription.ready", "prescription.dispensed"]


async def test_the_line_shows_what_is_paid_to_the_pharmacists_only(db: str) -> None:
    visit = await orders.visit()
    await orders.prescription(visit)
    assert await pharmacy_queue(visit.pharmacist) == []
    await orders.pay(await orders.bill_of(await orders.submit(visit)))
    waiting = await pharmacy_queue(visit.pharmacist, window_id=visit.window_id)
    assert [(w.dispense, w.window_id, len(w.lines)) for w in waiting] == [("to_review", visit.window_id, 1)]
    assert await pharmacy_queue(visit.technician) == []


async def test_the_least_loaded_window_is_given(db: str) -> None:
    first = await orders.visit()
    await orders.paid_prescription(first)
    second = await orders.visit()  # opens a window of its own
    prescription = await orders.paid_prescription(second)
    assert await value("SELECT window_id FROM prescription WHERE id = $1", prescription) == second.window_id


async def test_a_second_call_is_the_same_number_once_more(db: str) -> None:
    visit = await orders.visit()
    prescription = await pharmacy.reviewed(visit)
    await call_to_window(visit.pharmacist, prescription_id=prescription)
    await call_to_window(visit.pharmacist, prescription_id=prescription)
    assert await value("SELECT repeat_no FROM ticket WHERE subject_id = $1", prescription) == 2


async def test_who_missed_the_call_is_called_again(db: str) -> None:
    visit = await orders.visit()
    prescription = await pharmacy.reviewed(visit)
    await call_to_window(visit.pharmacist, prescription_id=prescription)
    ticket = await value("SELECT id FROM ticket WHERE subject_id = $1", prescription)
    await miss_ticket(visit.pharmacist, ticket_id=ticket)
    await call_to_window(visit.pharmacist, prescription_id=prescription)
    assert await ticket_status(prescription) == "called"


async def test_without_a_call_the_number_just_leaves_the_line(db: str) -> None:
    visit = await orders.visit()
    prescription = await pharmacy.reviewed(visit)
    await pharmacy.hand_over(visit.pharmacist, prescription)
    assert await ticket_status(prescription) == "registered"


async def test_a_second_hand_over_is_refused(db: str) -> None:
    visit = await orders.visit()
    prescription = await pharmacy.reviewed(visit)
    await pharmacy.hand_over(visit.pharmacist, prescription)
    with pytest.raises(PrescriptionNotWaiting):
        await pharmacy.hand_over(visit.second_pharmacist, prescription)
    with pytest.raises(dispensing.NotReviewed):
        await call_to_window(visit.pharmacist, prescription_id=prescription)
    with pytest.raises(OrderNotStoppable):
        await stop_order(visit.doctor, order_id=prescription, reason="患者要求")


async def test_what_nobody_reviewed_is_neither_called_nor_handed_over(db: str) -> None:
    visit = await orders.visit()
    prescription = await orders.paid_prescription(visit)
    with pytest.raises(dispensing.NotReviewed):
        await call_to_window(visit.pharmacist, prescription_id=prescription)
    with pytest.raises(PrescriptionNotWaiting):
        await pharmacy.hand_over(visit.pharmacist, prescription)


async def test_an_unpaid_prescription_is_unknown_to_the_pharmacy(db: str) -> None:
    visit = await orders.visit()
    prescription = await orders.prescription(visit)
    await orders.submit(visit)
    with pytest.raises(Exception) as refused:  # noqa: PT011 - not related yet, so not found
        await review_prescription(
            visit.pharmacist, prescription_id=prescription, decision=ReviewDecision.PASS
        )
    assert getattr(refused.value, "status", 0) == 404
    with pytest.raises(PrescriptionNotFound):
        await review_prescription(
            visit.pharmacist, prescription_id=visit.encounter_id, decision=ReviewDecision.PASS
        )


async def test_a_returned_prescription_goes_to_refund_and_leaves_the_line(db: str) -> None:
    visit = await orders.visit()
    prescription = await orders.paid_prescription(visit)
    await review_prescription(
        visit.pharmacist,
        prescription_id=prescription,
        decision=ReviewDecision.RETURN,
        category=ReviewCategory.APPROPRIATENESS,
        reason="剂量超过说明书",
    )
    assert await orders.order_state(prescription) == ("rejected", "refunding")
    assert (await state(prescription), await ticket_status(prescription)) == ("returned", "registered")
    assert await value("SELECT count(*) FROM refund") == 1
    await orders.settle()
    assert await value("SELECT count(*) FROM timeline_entry WHERE kind = 'prescription.returned'") == 1


@pytest.mark.parametrize(
    ("category", "reason"),
    [(None, "剂量超过说明书"), (ReviewCategory.FORMAT, " ")],
    ids=["no category", "no reason"],
)
async def test_a_return_says_why(db: str, category: ReviewCategory | None, reason: str) -> None:
    visit = await orders.visit()
    prescription = await orders.paid_prescription(visit)
    with pytest.raises(reviewing.ReturnNeedsReason):
        await review_prescription(
            visit.pharmacist,
            prescription_id=prescription,
            decision=ReviewDecision.RETURN,
            category=category,
            reason=reason,
        )


async def test_all_four_checks_and_good_batches_are_asked_for(db: str) -> None:
    visit = await orders.visit()
    prescription = await pharmacy.reviewed(visit)
    good = await pharmacy.batches(prescription)
    old = await pharmacy.batches(prescription, expires_on=date(2020, 1, 1))
    checks = list(Check4)
    for given, batches, refusal in (
        (checks[:3], good, dispensing.ChecksMissing),
        (checks, [], dispensing.BatchesDiffer),
        (checks, good * 2, dispensing.BatchesDiffer),
        (checks, old, dispensing.BatchExpired),
    ):
        with pytest.raises(refusal):
            await dispense(visit.pharmacist, prescription_id=prescription, checks=given, batches=batches)


@action
async def _sign_earlier(actor: Actor, *, prescription_id: UUID, days: int) -> None:
    span = timedelta(days=days)
    await fetch(
        "UPDATE clinical_order SET signed_at = signed_at - $2::interval WHERE id = $1", prescription_id, span
    )
    await fetch(
        "UPDATE prescription SET valid_until = valid_until - $2::interval WHERE id = $1",
        prescription_id,
        span,
    )


async def test_yesterdays_prescription_is_not_accepted_until_it_is_extended(db: str) -> None:
    visit = await orders.visit()
    prescription = await orders.paid_prescription(visit)
    await _sign_earlier(TEST, prescription_id=prescription, days=1)
    with pytest.raises(PrescriptionExpired):
        await review_prescription(
            visit.pharmacist, prescription_id=prescription, decision=ReviewDecision.PASS
        )
    await extend_validity(visit.doctor, prescription_id=prescription, days=2)
    await review_prescription(visit.pharmacist, prescription_id=prescription, decision=ReviewDecision.PASS)


async def test_what_was_accepted_in_time_is_collected_within_three_days(db: str) -> None:
    visit = await orders.visit()
    first = await pharmacy.reviewed(visit)
    await _sign_earlier(TEST, prescription_id=first, days=2)
    await pharmacy.hand_over(visit.pharmacist, first)
    visit = await orders.visit()
    second = await pharmacy.reviewed(visit)
    await _sign_earlier(TEST, prescription_id=second, days=3)
    with pytest.raises(PrescriptionExpired):
        await pharmacy.hand_over(visit.pharmacist, second)


async def test_without_a_window_nobody_is_called(db: str) -> None:
    visit = await orders.visit()
    await _close_windows(TEST)
    prescription = await pharmacy.reviewed(visit)
    with pytest.raises(dispensing.NoWindowOpen):
        await call_to_window(visit.pharmacist, prescription_id=prescription)
    await pharmacy.hand_over(visit.pharmacist, prescription)


@action
async def _close_windows(actor: Actor) -> None:
    await fetch("DELETE FROM service_window")


async def test_a_window_opened_later_is_given_with_the_call(db: str) -> None:
    visit = await orders.visit()
    await _close_windows(TEST)
    prescription = await pharmacy.reviewed(visit)
    window = await organization.window()
    await call_to_window(visit.pharmacist, prescription_id=prescription)
    assert await value("SELECT window_id FROM prescription WHERE id = $1", prescription) == window


async def test_a_cashiers_refund_stops_what_was_not_handed_over(db: str) -> None:
    visit = await orders.visit()
    prescription = await orders.paid_prescription(visit)
    bill = await value("SELECT id FROM bill")
    await request_refund(TEST, bill_id=bill)
    await orders.settle()
    assert await orders.order_state(prescription) == ("stopped", "refunding")
    assert await state(prescription) == "cancelled"

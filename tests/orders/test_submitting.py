"""Signing orders: one bill for all, executable when paid, over when nobody pays."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.billing.channel import RefundState, RefundTold
from app.billing.charges import Line, expire_bill, open_bill
from app.billing.refunds import request_refund, settle_refund
from app.billing.tables import REFUND_FLOW, BillKind, RefundStatus
from app.encounters.visiting import EncounterNotFound
from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.database import action
from app.orders import placing
from app.orders.paying import OrderNotStoppable, stop_order
from app.orders.placing import cancel_draft, submit_orders, withdraw_submission
from tests.make import identity, orders, organization
from tests.make.orders import YUAN
from tests.make.rows import value

TEST = system("test")


async def test_one_bill_holds_a_panel_and_every_drug(db: str) -> None:
    visit = await orders.visit()
    panel = await orders.panel(price_micro_yuan=25 * YUAN)
    drugs = [
        await orders.drug(ingredients=["a"], price_micro_yuan=12_345_000),
        await orders.drug(ingredients=["b"], price_micro_yuan=3 * YUAN),
    ]
    lab = await orders.lab_order(visit, panel_id=panel)
    prescription = await orders.prescription(visit, *drugs)
    submission = await orders.submit(visit)
    bill = await orders.bill_of(submission)
    assert await value("SELECT amount_fen FROM bill WHERE id = $1", bill) == 2500 + 1235 + 300
    assert await value("SELECT count(*) FROM charge WHERE bill_id = $1", bill) == 3
    assert await orders.order_state(lab) == ("signed", "unpaid")
    assert await orders.order_state(prescription) == ("signed", "unpaid")


async def test_payment_makes_orders_executable(db: str) -> None:
    visit = await orders.visit()
    lab = await orders.lab_order(visit)
    prescription = await orders.prescription(visit)
    await orders.pay(await orders.bill_of(await orders.submit(visit)))
    assert await orders.order_state(lab) == ("active", "paid")
    assert await orders.order_state(prescription) == ("signed", "paid")
    assert await value("SELECT dispense FROM prescription WHERE id = $1", prescription) == "to_review"
    assert await value("SELECT window_id FROM prescription WHERE id = $1", prescription) == visit.window_id
    assert await value("SELECT number FROM prescription WHERE id = $1", prescription)


async def test_a_free_order_is_executable_at_once(db: str) -> None:
    visit = await orders.visit()
    lab = await orders.lab_order(visit, panel_id=await orders.panel(price_micro_yuan=0))
    await orders.submit(visit)
    await orders.settle()
    assert await orders.order_state(lab) == ("active", "paid")


async def test_nothing_to_submit_is_refused(db: str) -> None:
    visit = await orders.visit()
    with pytest.raises(placing.NothingToSubmit):
        await orders.submit(visit)


async def test_more_orders_than_fit_one_submission_are_refused(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "ORDERS_PER_SUBMISSION_MAX", 1)
    visit = await orders.visit()
    await orders.lab_order(visit)
    await orders.lab_order(visit)
    with pytest.raises(placing.TooManyOrders):
        await orders.submit(visit)


async def test_the_same_panel_is_not_ordered_twice(db: str) -> None:
    visit = await orders.visit()
    panel = await orders.panel()
    first = await orders.lab_order(visit, panel_id=panel)
    with pytest.raises(placing.PanelOrdered):
        await orders.lab_order(visit, panel_id=panel)
    await cancel_draft(visit.doctor, order_id=first)
    assert await orders.lab_order(visit, panel_id=panel)


async def test_a_doctor_of_another_department_cannot_order(db: str) -> None:
    visit = await orders.visit()
    stranger = identity.staff_actor(await organization.staff(department_id=await organization.department()))
    with pytest.raises(EncounterNotFound):
        await submit_orders(stranger, encounter_id=visit.encounter_id)


async def test_a_cancelled_draft_is_never_billed(db: str) -> None:
    visit = await orders.visit()
    draft = await orders.prescription(visit)
    await cancel_draft(visit.doctor, order_id=draft)
    assert await orders.order_state(draft) == ("cancelled", "unpaid")
    with pytest.raises(placing.NothingToSubmit):
        await orders.submit(visit)


async def test_an_unpaid_submission_is_withdrawn_with_its_bill(db: str) -> None:
    visit = await orders.visit()
    order = await orders.prescription(visit)
    submission = await orders.submit(visit)
    await withdraw_submission(visit.doctor, submission_id=submission)
    assert await orders.order_state(order) == ("cancelled", "unpaid")
    bill = await orders.bill_of(submission)
    assert await value("SELECT status FROM bill WHERE id = $1", bill) == "cancelled"


async def test_a_paid_submission_is_not_withdrawn(db: str) -> None:
    visit = await orders.visit()
    await orders.lab_order(visit)
    submission = await orders.submit(visit)
    await orders.pay(await orders.bill_of(submission))
    with pytest.raises(placing.SubmissionPaid):
        await withdraw_submission(visit.doctor, submission_id=submission)


async def test_unknown_ids_are_not_found(db: str) -> None:
    visit = await orders.visit()
    with pytest.raises(placing.SubmissionNotFound):
        await withdraw_submission(visit.doctor, submission_id=visit.encounter_id)
    with pytest.raises(placing.OrderNotFound):
        await cancel_draft(visit.doctor, order_id=visit.encounter_id)


async def test_orders_end_with_their_unpaid_bill(db: str) -> None:
    visit = await orders.visit()
    lab = await orders.lab_order(visit)
    prescription = await orders.prescription(visit)
    await expire_bill(TEST, bill_id=await orders.bill_of(await orders.submit(visit)))
    await orders.settle()
    assert await orders.order_state(lab) == ("cancelled", "unpaid")
    assert await orders.order_state(prescription) == ("cancelled", "unpaid")


async def test_money_after_the_end_goes_back(db: str) -> None:
    visit = await orders.visit()
    lab = await orders.lab_order(visit)
    bill = await orders.bill_of(await orders.submit(visit))
    await expire_bill(TEST, bill_id=bill)
    await orders.settle()
    await orders.pay(bill)
    assert await orders.order_state(lab) == ("cancelled", "unpaid")
    assert await value("SELECT count(*) FROM refund WHERE bill_id = $1", bill) == 1


async def test_a_stopped_order_goes_to_refund_and_leaves_the_line(db: str) -> None:
    visit = await orders.visit()
    prescription = await orders.paid_prescription(visit)
    await stop_order(visit.doctor, order_id=prescription, reason="患者要求")
    await orders.settle()
    assert await orders.order_state(prescription) == ("stopped", "refunding")
    assert await value("SELECT dispense FROM prescription WHERE id = $1", prescription) == "cancelled"
    assert await value("SELECT status FROM ticket WHERE subject_id = $1", prescription) == "registered"


async def test_the_channels_word_ends_the_refund(db: str) -> None:
    visit = await orders.visit()
    lab = await orders.paid_lab_order(visit)
    await stop_order(visit.doctor, order_id=lab, reason="患者要求")
    refund = await value("SELECT refund_id FROM clinical_order WHERE id = $1", lab)
    number = await value("SELECT out_refund_no FROM refund WHERE id = $1", refund)
    told = RefundTold(out_refund_no=number, state=RefundState.SUCCEEDED, channel_refund_id="50")
    await _submitted(TEST, refund_id=refund)
    await settle_refund(TEST, refund_id=refund, told=told)
    await orders.settle()
    assert await orders.order_state(lab) == ("stopped", "refunded")


@action
async def _submitted(actor: Actor, *, refund_id: UUID) -> None:
    await REFUND_FLOW.move(refund_id, RefundStatus.SUBMITTED)


async def test_other_bills_are_nobodys_orders(db: str) -> None:
    visit = await orders.visit()
    bill = await open_bill(
        TEST,
        person_id=visit.person_id,
        kind=BillKind.OUTPATIENT,
        subject_kind="something",
        subject_id=visit.encounter_id,
        lines=[Line(item_id=await orders.item(), source_id=visit.encounter_id)],
    )
    ended = await open_bill(
        TEST,
        person_id=visit.person_id,
        kind=BillKind.OUTPATIENT,
        subject_kind="something",
        subject_id=visit.person_id,
        lines=[Line(item_id=await orders.item(), source_id=visit.person_id)],
    )
    await expire_bill(TEST, bill_id=ended)
    await orders.pay(bill)
    refund = await request_refund(TEST, bill_id=bill)
    assert refund is not None
    number = await value("SELECT out_refund_no FROM refund WHERE id = $1", refund)
    await _submitted(TEST, refund_id=refund)
    told = RefundTold(out_refund_no=number, state=RefundState.SUCCEEDED, channel_refund_id="50")
    await settle_refund(TEST, refund_id=refund, told=told)
    await orders.settle()
    assert await value("SELECT count(*) FROM delivery WHERE status <> 'done'") == 0


async def test_an_unpaid_order_is_not_stopped(db: str) -> None:
    visit = await orders.visit()
    lab = await orders.lab_order(visit)
    await orders.submit(visit)
    with pytest.raises(OrderNotStoppable):
        await stop_order(visit.doctor, order_id=lab, reason="患者要求")


async def test_stopping_a_free_order_refunds_nothing(db: str) -> None:
    visit = await orders.visit()
    lab = await orders.lab_order(visit, panel_id=await orders.panel(price_micro_yuan=0))
    await orders.submit(visit)
    await orders.settle()
    await stop_order(visit.doctor, order_id=lab, reason="患者要求")
    assert await orders.order_state(lab) == ("stopped", "refunded")


async def test_the_bill_is_payable_two_hours_even_before_midnight(db: str) -> None:
    visit = await orders.visit()
    await orders.lab_order(visit)
    bill = await orders.bill_of(await orders.submit(visit))
    expires_at = await value("SELECT expires_at FROM bill WHERE id = $1", bill)
    assert expires_at - clock.wall() > timedelta(hours=1)

"""Two hands reach for one prescription: exactly one gets it."""

import asyncio
from collections.abc import Awaitable

import pytest

from app.billing.charges import ChargeTaken
from app.billing.refunds import request_refund
from app.kernel.actor import system
from app.kernel.errors import DomainError
from app.orders.paying import stop_order
from app.orders.tables import OrderStatus
from tests.make import orders, pharmacy
from tests.make.rows import value

pytestmark = pytest.mark.commits
TEST = system("test")
ROUNDS = 5


async def outcomes(*tries: Awaitable[object]) -> list[object]:
    return await asyncio.gather(*tries, return_exceptions=True)


def refused(found: list[object]) -> list[BaseException]:
    return [outcome for outcome in found if isinstance(outcome, BaseException)]


async def test_two_windows_hand_over_once(db: str) -> None:
    visit = await orders.visit()
    prescription = await pharmacy.reviewed(visit)
    found = await outcomes(
        pharmacy.hand_over(visit.pharmacist, prescription),
        pharmacy.hand_over(visit.second_pharmacist, prescription),
        pharmacy.hand_over(visit.pharmacist, prescription),
    )
    assert [type(error).__name__ for error in refused(found)] == ["PrescriptionNotWaiting"] * 2
    assert await value("SELECT count(*) FROM dispensing WHERE prescription_id = $1", prescription) == 1
    told = "SELECT count(*) FROM event WHERE kind = 'prescription.dispensed' AND aggregate_id = $1"
    assert await value(told, prescription) == 1


async def test_a_stop_and_a_hand_over_have_one_winner(db: str) -> None:
    for _ in range(ROUNDS):
        visit = await orders.visit()
        prescription = await pharmacy.reviewed(visit)
        found = await outcomes(
            stop_order(visit.doctor, order_id=prescription, reason="患者要求"),
            pharmacy.hand_over(visit.pharmacist, prescription),
        )
        errors = refused(found)
        assert len(errors) == 1
        assert isinstance(errors[0], DomainError)
        status, payment = await orders.order_state(prescription)
        dispensed = await value("SELECT count(*) FROM dispensing WHERE prescription_id = $1", prescription)
        refunds = await _refunds(prescription)
        assert (status, payment, dispensed, refunds) in (
            (OrderStatus.DONE, "paid", 1, 0),
            (OrderStatus.STOPPED, "refunding", 0, 1),
        )


async def test_a_cashiers_refund_and_a_hand_over_have_one_winner(db: str) -> None:
    for _ in range(ROUNDS):
        visit = await orders.visit()
        prescription = await pharmacy.reviewed(visit)
        bill = await value(
            "SELECT s.bill_id FROM clinical_order o JOIN order_submission s ON s.id = o.submission_id"
            " WHERE o.id = $1",
            prescription,
        )
        found = await outcomes(
            request_refund(TEST, bill_id=bill), pharmacy.hand_over(visit.pharmacist, prescription)
        )
        errors = refused(found)
        assert len(errors) == 1
        assert isinstance(errors[0], ChargeTaken)
        dispensed = await value("SELECT count(*) FROM dispensing WHERE prescription_id = $1", prescription)
        assert dispensed + await _refunds(prescription) == 1


async def _refunds(prescription_id: object) -> int:
    return await value(
        "SELECT count(*) FROM refund r JOIN order_submission s ON s.bill_id = r.bill_id"
        " JOIN clinical_order o ON o.submission_id = s.id WHERE o.id = $1",
        prescription_id,
    )

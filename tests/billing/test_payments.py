"""A bill is paid once: P1 to P6 of docs/algorithms/payments.md."""

import asyncio

import pytest
from app.billing.payments import BillNotPayable, PaymentInProgress, start_attempt, submit_attempt
from app.billing.tables import PayMethod

from tests.billing.conftest import PayingHospital
from tests.make import billing as make
from tests.make.rows import value

pytestmark = pytest.mark.commits

METHODS = [pytest.param(method, id=str(method)) for method in PayMethod]


@pytest.mark.parametrize("method", METHODS)
async def test_a_bill_is_paid_by_every_method(hospital: PayingHospital, method: PayMethod) -> None:
    payer = await hospital.payer("wechat" if method.startswith("wechat") else "alipay")
    bill_id = await make.bill(payer.person_id)
    attempt = await hospital.start(payer, bill_id, method)
    assert attempt.status == "awaiting_payer"
    await hospital.tap(payer, attempt)
    await hospital.until(attempt.id, "succeeded")
    assert (await hospital.bill(bill_id)).status == "paid"
    await hospital.assert_books_agree()

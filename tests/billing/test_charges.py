"""Charging: prices from the list, one rounding per line, one charge per source, deposits apart."""

import asyncio
from decimal import Decimal

import pytest

from app.billing import postings
from app.billing.charges import (
    LINES_MAX,
    BillNotFound,
    BillPaidAlready,
    Line,
    SourceChargedAlready,
    TooManyLines,
    add_charge,
    cancel_bill,
    charge_fulfil,
    expire_bill,
    open_bill,
)
from app.billing.deposits import NotAStay, TopUpOutOfRange, deposit_balance, open_deposit_top_up
from app.billing.queries import bill_view, books, stay_charges
from app.billing.refunds import BillNotPaid, request_refund
from app.billing.tables import BillKind, PayMethod
from app.encounters.visiting import close_encounter
from app.kernel.actor import system
from app.kernel.ids import new_id
from app.kernel.ledger import balance_fen
from tests.billing.conftest import PayingHospital
from tests.make import billing as make
from tests.make import patients
from tests.make.rows import value

TEST = system("test")


async def test_each_line_is_rounded_once_half_up_as_worked_in_the_document(db: str) -> None:
    """docs/algorithms/payments.md, "Pricing": 0.30 + 0.01 + 12.35 + 0.13 = 12.79 yuan."""
    person_id = await patients.person()
    worked = [
        (33_333, "9", 30),  # 0.299997 yuan
        (5_000, "1", 1),  # half a fen, up
        (12_345_000, "1", 1235),  # 12.345 yuan, up
        (125_000, "1.0001", 13),  # 0.1250125 yuan
    ]
    lines = [
        Line(item_id=await make.item(micro_yuan=price), source_id=new_id(), quantity=Decimal(quantity))
        for price, quantity, _ in worked
    ]
    bill_id = await open_bill(
        TEST,
        person_id=person_id,
        kind=BillKind.OUTPATIENT,
        subject_kind="order_batch",
        subject_id=new_id(),
        lines=lines,
    )
    bill = await bill_view(TEST, bill_id=bill_id)
    assert [line.amount_fen for line in bill.lines] == [amount for _, _, amount in worked]
    assert bill.amount_fen == 1279
    assert await balance_fen(TEST, account=postings.RECEIVABLE, subject_id=bill_id) == 1279
    await cancel_bill(TEST, bill_id=bill_id)
    assert await balance_fen(TEST, account=postings.RECEIVABLE, subject_id=bill_id) == 0
    assert (await books(TEST)).balanced


async def test_a_source_is_charged_once_until_its_charge_is_void(db: str) -> None:
    person_id = await patients.person()
    line = Line(item_id=await make.item(), source_id=new_id())

    async def charge() -> object:
        return await open_bill(
            TEST,
            person_id=person_id,
            kind=BillKind.OUTPATIENT,
            subject_kind="order_batch",
            subject_id=new_id(),
            lines=[line],
        )

    bill_id = await charge()
    with pytest.raises(SourceChargedAlready):
        await charge()
    assert await expire_bill(TEST, bill_id=bill_id)  # type: ignore[arg-type] - a UUID
    assert await charge() != bill_id


async def test_a_bill_has_a_bounded_number_of_lines(db: str) -> None:
    person_id = await patients.person()
    line = Line(item_id=new_id(), source_id=new_id())
    with pytest.raises(TooManyLines):
        await open_bill(
            TEST,
            person_id=person_id,
            kind=BillKind.OUTPATIENT,
            subject_kind="order_batch",
            subject_id=new_id(),
            lines=[line] * (LINES_MAX + 1),
        )


async def test_an_unknown_bill_is_not_found(db: str) -> None:
    with pytest.raises(BillNotFound):
        await cancel_bill(TEST, bill_id=new_id())
    with pytest.raises(BillNotFound):
        await bill_view(TEST, bill_id=new_id())


async def test_a_paid_bill_is_refunded_rather_than_cancelled(db: str) -> None:
    bill_id = await make.bill(await patients.person(), prices=(0,))
    with pytest.raises(BillPaidAlready):
        await cancel_bill(TEST, bill_id=bill_id)


async def test_a_stays_charge_is_written_once_and_can_be_executed_before_it_is_paid(db: str) -> None:
    person_id = await patients.person()
    encounter_id = await make.stay(person_id)
    line = Line(item_id=await make.item(micro_yuan=45_000_000), source_id=new_id())
    for expected in (True, False):
        charge_id = await add_charge(
            TEST, person_id=person_id, encounter_id=encounter_id, source_kind="bed_day", line=line
        )
        assert (charge_id is not None) is expected
    assert [charge.amount_fen for charge in await stay_charges(TEST, encounter_id=encounter_id)] == [4500]
    assert await balance_fen(TEST, account=postings.RECEIVABLE, subject_id=encounter_id) == 4500
    await charge_fulfil(TEST, source_id=line.source_id)


async def test_what_a_deposit_may_be(db: str) -> None:
    person_id = await patients.person()
    encounter_id = await make.stay(person_id)
    for amount_fen in (0, -1, 5_000_001):
        with pytest.raises(TopUpOutOfRange):
            await open_deposit_top_up(TEST, encounter_id=encounter_id, amount_fen=amount_fen)
    with pytest.raises(NotAStay):
        await open_deposit_top_up(TEST, encounter_id=new_id(), amount_fen=100)


@pytest.mark.commits
async def test_one_source_charged_at_the_same_moment_is_charged_once(hospital: PayingHospital) -> None:
    person_id = await patients.person()
    encounter_id = await make.stay(person_id)
    line = Line(item_id=await make.item(), source_id=new_id())
    made = await asyncio.gather(
        *(
            add_charge(TEST, person_id=person_id, encounter_id=encounter_id, source_kind="bed_day", line=line)
            for _ in range(6)
        )
    )
    assert len([charge_id for charge_id in made if charge_id is not None]) == 1


@pytest.mark.commits
@pytest.mark.parametrize("method", [PayMethod.WECHAT_NATIVE, PayMethod.ALIPAY_QR])
async def test_a_deposit_paid_by_qr_is_the_patients_money_in_our_hands(
    hospital: PayingHospital, method: PayMethod
) -> None:
    payer = await hospital.payer(method.split("_")[0])
    encounter_id = await make.stay(payer.person_id)
    bill_id = await open_deposit_top_up(TEST, encounter_id=encounter_id, amount_fen=50_000)
    assert await deposit_balance(TEST, encounter_id=encounter_id) == 0
    await hospital.pay(payer, bill_id, method)
    assert await deposit_balance(TEST, encounter_id=encounter_id) == 50_000
    receipt = "SELECT amount_fen FROM deposit_receipt WHERE bill_id = $1"
    assert await value(receipt, bill_id) == 50_000
    with pytest.raises(BillNotPaid):
        await request_refund(TEST, bill_id=bill_id)  # deposits go back at settlement, not as a charge
    await hospital.assert_books_agree()


@pytest.mark.commits
@pytest.mark.parametrize("stays", [True, False], ids=["still here", "gone home"])
async def test_a_late_deposit_is_welcome_as_long_as_the_stay_lasts(
    hospital: PayingHospital, stays: bool
) -> None:
    payer = await hospital.payer()
    encounter_id = await make.stay(payer.person_id)
    bill_id = await open_deposit_top_up(TEST, encounter_id=encounter_id, amount_fen=50_000)
    attempt = await hospital.start(payer, bill_id)
    await hospital.fault("wechat", "withhold", reference=attempt.id.hex)
    await hospital.tap(payer, attempt)
    await hospital.forward(minutes=16)
    await expire_bill(TEST, bill_id=bill_id)
    if not stays:
        await close_encounter(TEST, encounter_id=encounter_id)
    await hospital.sweep()
    await hospital.finish_refunds()
    assert await deposit_balance(TEST, encounter_id=encounter_id) == (50_000 if stays else 0)
    assert (await hospital.bill(bill_id)).status == ("paid" if stays else "expired")
    await hospital.assert_books_agree()

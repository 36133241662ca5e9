"""Nights are charged once each, days by whoever did something, and the list adds up."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.billing.deposits import deposit_balance
from app.inpatient.admission import change_bed, discharge_patient
from app.inpatient.daily import (
    ItemNotOfWard,
    QuantityOutOfRange,
    post_daily_charge,
    post_nightly_fees,
    stays_with_unpaid_nights,
)
from app.inpatient.queries import deposit_of_stay, fees_of_day
from app.inpatient.stays import StayNotFound, StayOver
from app.kernel.errors import DomainError
from tests.make import inpatient as make

TEST = make.TEST


async def refusal(answer: Any) -> type[DomainError]:
    with pytest.raises(DomainError) as refused:
        await answer
    return type(refused.value)


async def priced_ward(*, bed_yuan: int = 50, nursing_yuan: int = 30) -> make.WardMade:
    ward = await make.new_ward()
    await make.ward_rate(ward, item_id=await make.item(name="床位费", kind="bed", yuan=bed_yuan))
    await make.ward_rate(ward, item_id=await make.item(name="二级护理", kind="nursing", yuan=nursing_yuan))
    return ward


async def nights_of(stay: make.StayMade) -> list[tuple[date, int]]:
    """(day, fen) of every night charged to the stay."""
    rows = await make.rows(
        "SELECT d.day, c.amount_fen FROM daily_charge d JOIN charge c ON c.source_id = d.id"
        " WHERE d.admission_id = $1 AND d.kind = 'nightly' ORDER BY d.day, c.amount_fen",
        stay.admission_id,
    )
    return [tuple(row) for row in rows]


def march(day: int) -> date:
    return date(2031, 3, day)


async def test_every_midnight_is_charged_once(db: str) -> None:
    await make.set_clock("2031-03-02 10:00")
    stay = await make.stay(ward=await priced_ward())
    assert await post_nightly_fees() == 0
    await make.set_clock("2031-03-02 23:59")
    assert await post_nightly_fees() == 0
    await make.set_clock("2031-03-03 00:05")
    assert await post_nightly_fees() == 2
    assert await post_nightly_fees() == 0
    assert await nights_of(stay) == [(march(2), 3000), (march(2), 5000)]


async def test_a_worker_that_was_away_makes_up_for_the_nights(db: str) -> None:
    await make.set_clock("2031-03-02 10:00")
    stay = await make.stay(ward=await priced_ward())
    await make.set_clock("2031-03-05 09:00")
    assert await post_nightly_fees() == 6
    assert sum(fen for _, fen in await nights_of(stay)) == 24_000
    assert await stays_with_unpaid_nights(TEST) == []


async def test_the_ward_at_midnight_has_the_day(db: str) -> None:
    """In on the 2nd (80 yuan a day), moved on the 3rd at 15:00 (120 a day), out on the 5th: 80 + 2 x 120."""
    await make.set_clock("2031-03-02 10:00")
    stay = await make.stay(ward=await priced_ward())
    dear = await priced_ward(bed_yuan=80, nursing_yuan=40)
    nurse = await make.staff(dear)
    await make.set_clock("2031-03-03 15:00")
    await change_bed(stay.nurse, admission_id=stay.admission_id, bed_id=await make.bed(dear))
    await make.set_clock("2031-03-05 09:00")
    await discharge_patient(nurse, admission_id=stay.admission_id)
    assert await nights_of(stay) == [
        (march(2), 3000),
        (march(2), 5000),
        (march(3), 4000),
        (march(3), 8000),
        (march(4), 4000),
        (march(4), 8000),
    ]
    assert await post_nightly_fees() == 0


async def test_in_and_out_on_one_day_is_one_day(db: str) -> None:
    await make.set_clock("2031-03-02 10:00")
    stay = await make.stay(ward=await priced_ward())
    await make.set_clock("2031-03-02 18:00")
    await discharge_patient(stay.nurse, admission_id=stay.admission_id)
    assert await nights_of(stay) == [(march(2), 3000), (march(2), 5000)]


async def test_todays_list_has_items_amounts_and_totals(db: str) -> None:
    """Two nights of 80.00, then 2 x 12.50 and 1 x 8.00 by day: today 33.00, the stay 193.00."""
    await make.set_clock("2031-03-02 10:00")
    stay = await make.stay(ward=await priced_ward())
    infusion = await make.item(name="静脉输液", kind="treatment", micro_yuan=12_500_000)
    care = await make.item(name="口腔护理", kind="nursing", yuan=8)
    await make.set_clock("2031-03-04 09:00")
    await post_nightly_fees()
    for item_id, quantity in ((infusion, Decimal(2)), (care, Decimal(1))):
        await post_daily_charge(
            stay.nurse, admission_id=stay.admission_id, item_id=item_id, quantity=quantity
        )
    fees = await fees_of_day(stay.nurse, encounter_id=stay.encounter_id)
    assert fees.day == march(4)
    assert [(f.item, f.category, f.quantity, f.unit_price_micro_yuan, f.amount_yuan) for f in fees.lines] == [
        ("静脉输液", "治疗费", 2, 12_500_000, "25.00"),
        ("口腔护理", "护理费", 1, 8_000_000, "8.00"),
    ]
    assert (fees.total_fen, fees.stay_total_fen, fees.deposit_balance_fen) == (3_300, 19_300, 0)
    yesterday = await fees_of_day(stay.nurse, encounter_id=stay.encounter_id, day=march(3))
    assert (yesterday.total_fen, yesterday.stay_total_fen) == (8_000, 16_000)
    assert {f.category for f in yesterday.lines} == {"床位费", "护理费"}
    deposit = await deposit_of_stay(stay.nurse, encounter_id=stay.encounter_id)
    assert (deposit.balance_fen, deposit.charged_fen, deposit.available_fen) == (0, 19_300, -19_300)
    assert deposit.receipts == []
    assert await deposit_balance(stay.nurse, encounter_id=stay.encounter_id) == 0


async def test_a_long_list_is_paged(db: str) -> None:
    stay = await make.stay()
    item_id = await make.item(name="口腔护理", kind="nursing", yuan=8)
    for _ in range(3):
        await post_daily_charge(stay.nurse, admission_id=stay.admission_id, item_id=item_id)
    first = await fees_of_day(stay.nurse, encounter_id=stay.encounter_id, limit=2)
    rest = await fees_of_day(stay.nurse, encounter_id=stay.encounter_id, limit=2, after=first.next)
    assert (len(first.lines), len(rest.lines), rest.next) == (2, 1, None)
    assert first.total_fen == rest.total_fen == 2_400


async def test_the_same_treatment_twice_a_day_is_two_charges(db: str) -> None:
    stay = await make.stay()
    item_id = await make.item(name="雾化吸入", kind="treatment", yuan=10)
    first, second = [
        await post_daily_charge(stay.nurse, admission_id=stay.admission_id, item_id=item_id) for _ in range(2)
    ]
    assert first != second
    assert await make.read("SELECT sum(amount_fen) FROM charge") == 2_000
    assert await make.read("SELECT count(*) FROM event WHERE kind = 'admission.charged'") == 2


@pytest.mark.parametrize("kind", ["drug", "lab", "bed", "consultation"])
async def test_drugs_tests_and_beds_are_not_charged_by_hand(db: str, kind: str) -> None:
    stay = await make.stay()
    item_id = await make.item(name="其他", kind=kind)
    charge = post_daily_charge(stay.nurse, admission_id=stay.admission_id, item_id=item_id)
    assert await refusal(charge) is ItemNotOfWard


async def test_what_a_charge_is_refused_for(db: str) -> None:
    stay = await make.stay()
    item_id: UUID = await make.item(name="雾化吸入", kind="treatment")
    stranger = await make.staff(await make.new_ward())

    def charge(**values: Any) -> Any:
        given = {"actor": stay.nurse, "admission_id": stay.admission_id, "item_id": item_id} | values
        return post_daily_charge(given.pop("actor"), **given)

    assert await refusal(charge(quantity=Decimal(0))) is QuantityOutOfRange
    assert await refusal(charge(quantity=Decimal("1000.0001"))) is QuantityOutOfRange
    assert await refusal(charge(actor=stranger)) is StayNotFound
    assert await refusal(charge(admission_id=uuid4())) is StayNotFound
    assert await refusal(fees_of_day(stranger, encounter_id=stay.encounter_id)) is StayNotFound
    assert await refusal(fees_of_day(stay.nurse, encounter_id=uuid4())) is StayNotFound
    await discharge_patient(stay.nurse, admission_id=stay.admission_id)
    assert await refusal(charge()) is StayOver

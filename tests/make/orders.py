"""A visit with its people: doctor, technicians, pharmacists, a phone; and what can be ordered."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import msgspec

from app.billing import postings
from app.billing.arrivals import book_payment
from app.billing.channel import Trade, TradeState
from app.billing.tables import ChannelName
from app.encounters.tables import EncounterKind
from app.encounters.visiting import open_encounter
from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.database import action
from app.kernel.events import Lane
from app.kernel.ids import new_id
from app.kernel.relay import Relay
from app.orders.placing import order_panel, submit_orders
from app.orders.prescribing import DrugAsked, prescribe
from app.orders.tables import Frequency
from app.patients.access import relate
from app.patients.tables import CareReason
from app.subscriptions import SUBSCRIPTIONS
from tests.make import identity, organization, patients
from tests.make.rows import row, value

_numbers = count(1)
TEST = system("test")
MERCHANT = "1900000109"
YUAN = 1_000_000  # in millionths


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody a visit needs."""

    encounter_id: UUID
    person_id: UUID
    department_id: UUID
    doctor: Actor
    phone: Actor
    technician: Actor
    second_technician: Actor
    pharmacist: Actor
    second_pharmacist: Actor
    window_id: UUID


async def visit(*, sex: str = "2", born_on: date = date(1990, 5, 6)) -> Visit:
    department_id = await organization.department()
    phone = await identity.account_actor()
    person_id = await patients.bound_person(phone, sex=sex, born_on=born_on)
    await relate(TEST, person_id=person_id, department_id=department_id, reason=CareReason.CHECK_IN)
    laboratory = await organization.department(name="检验科")
    pharmacy = await organization.department(name="药剂科")
    return Visit(
        encounter_id=await open_encounter(
            TEST, person_id=person_id, kind=EncounterKind.OUTPATIENT, department_id=department_id
        ),
        person_id=person_id,
        department_id=department_id,
        doctor=await _staff("doctor", department_id),
        phone=phone,
        technician=await _staff("technician", laboratory),
        second_technician=await _staff("technician", laboratory),
        pharmacist=await _staff("pharmacist", pharmacy),
        second_pharmacist=await _staff("pharmacist", pharmacy),
        window_id=await organization.window(),
    )


async def _staff(role: str, department_id: UUID) -> Actor:
    return identity.staff_actor(await organization.staff(role=role, department_id=department_id))


async def item(*, kind: str = "drug", price_micro_yuan: int = 12 * YUAN) -> UUID:
    return await row(
        "priced_item",
        code=f"I{next(_numbers)}-{new_id().hex[-6:]}",
        name="价目",
        kind=kind,
        unit="盒",
        unit_price_micro_yuan=price_micro_yuan,
        valid_from=date(2026, 1, 1),
        active=True,
    )


async def drug(
    *,
    ingredients: Sequence[str] = ("amoxicillin",),
    drug_class: str = "ordinary",
    form: str = "other",
    price_micro_yuan: int = 12 * YUAN,
) -> UUID:
    return await row(
        "drug",
        item_id=await item(price_micro_yuan=price_micro_yuan),
        name=f"药品{next(_numbers)}",
        spec="0.5g×24",
        form=form,
        form_name="胶囊",
        drug_class=drug_class,
        ingredients=list(ingredients),
        dose_unit="g",
        usual_dose="0.5",
        usual_route="口服",
        usual_frequency="tid",
    )


class Range(msgspec.Struct, frozen=True, kw_only=True):
    sex: str = "0"
    days_from: int = 0
    days_below: int = 200 * 366
    low: str | None = None
    high: str | None = None
    critical_low: str | None = None
    critical_high: str | None = None


WBC = Range(low="3.5", high="9.5", critical_low="0.8", critical_high="28")
HB_WOMAN = Range(sex="2", low="115", high="150", critical_low="60")
HB_MAN = Range(sex="1", low="130", high="175", critical_low="60")
BLOOD_COUNT: tuple[tuple[str, str, str, tuple[Range, ...]], ...] = (
    ("WBC", "白细胞计数", "10^9/L", (WBC,)),
    ("HGB", "血红蛋白", "g/L", (HB_MAN, HB_WOMAN)),
)


async def panel(
    *,
    tests: Sequence[tuple[str, str, str, Sequence[Range]]] = BLOOD_COUNT,
    specimen_kind: str = "全血",
    container: str = "紫管",
    price_micro_yuan: int = 25 * YUAN,
) -> UUID:
    number = next(_numbers)
    panel_id = await row(
        "lab_panel",
        item_id=await item(kind="lab", price_micro_yuan=price_micro_yuan),
        code=f"P{number}-{new_id().hex[-6:]}",
        name=f"血常规{number}",
        specimen_kind=specimen_kind,
        container=container,
    )
    for position, (code, name, unit, ranges) in enumerate(tests, start=1):
        test_id = await row("lab_test", panel_id=panel_id, position=position, code=code, name=name, unit=unit)
        for limits in ranges:
            await _range(test_id, limits)
    return panel_id


async def _range(test_id: UUID, limits: Range) -> None:
    def number(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    await row(
        "lab_reference",
        test_id=test_id,
        sex=limits.sex,
        age_days_from=limits.days_from,
        age_days_below=limits.days_below,
        low=number(limits.low),
        high=number(limits.high),
        critical_low=number(limits.critical_low),
        critical_high=number(limits.critical_high),
    )


def line(drug_id: UUID, **values: Any) -> DrugAsked:
    asked = {
        "dose": "0.5g",
        "route": "口服",
        "frequency": Frequency.TID,
        "days": 3,
        "quantity": Decimal(1),
    } | values
    return DrugAsked(drug_id=drug_id, **asked)


async def prescription(about: Visit, *drug_ids: UUID, **values: Any) -> UUID:
    """A drafted prescription of these drugs, or of one that nobody minds."""
    drugs = drug_ids or (await drug(),)
    lines = [line(drug_id) for drug_id in drugs]
    return await prescribe(about.doctor, encounter_id=about.encounter_id, lines=lines, **values)


async def lab_order(about: Visit, *, panel_id: UUID | None = None) -> UUID:
    return await order_panel(
        about.doctor, encounter_id=about.encounter_id, panel_id=panel_id or await panel()
    )


async def submit(about: Visit) -> UUID:
    """The submission's id."""
    return await submit_orders(about.doctor, encounter_id=about.encounter_id)


async def bill_of(submission_id: UUID) -> UUID:
    return await value("SELECT bill_id FROM order_submission WHERE id = $1", submission_id)


async def pay(bill_id: UUID) -> None:
    """The channel's word that the bill was paid, and everybody who hears it."""
    amount_fen = await value("SELECT amount_fen FROM bill WHERE id = $1", bill_id)
    number = f"T{new_id().hex[:30]}"
    await _clearing(TEST)
    await row(
        "attempt",
        bill_id=bill_id,
        out_trade_no=number,
        channel="wechat",
        method="wechat_jsapi",
        merchant=MERCHANT,
        amount_fen=amount_fen,
        status="awaiting_payer",
        expires_at=clock.wall() + timedelta(hours=1),
        looks=0,
        refunding_fen=0,
        refunded_fen=0,
        in_suspense=False,
        alarmed=False,
    )
    trade = Trade(
        out_trade_no=number,
        state=TradeState.PAID,
        amount_fen=amount_fen,
        transaction_id=f"42{number}",
        paid_at=clock.wall(),
    )
    await book_payment(TEST, name=ChannelName.WECHAT, merchant=MERCHANT, trade=trade, cause="notice")
    await settle()


@action
async def _clearing(actor: Actor) -> None:
    await postings.open_clearing(actor, channel=ChannelName.WECHAT, merchant=MERCHANT)


async def settle() -> None:
    """Let every fact be heard, and what they say in turn."""
    relay = Relay(SUBSCRIPTIONS)
    while sum([await relay.turn(lane) for lane in Lane]):
        pass


async def paid_prescription(about: Visit, *drug_ids: UUID) -> UUID:
    order_id = await prescription(about, *drug_ids)
    await pay(await bill_of(await submit(about)))
    return order_id


async def paid_lab_order(about: Visit, *, panel_id: UUID | None = None) -> UUID:
    order_id = await lab_order(about, panel_id=panel_id)
    await pay(await bill_of(await submit(about)))
    return order_id


async def order_state(order_id: UUID) -> tuple[str, str]:
    """(clinical, financial)."""
    found = await value("SELECT status || ' ' || payment FROM clinical_order WHERE id = $1", order_id)
    status, payment = found.split()
    return status, payment

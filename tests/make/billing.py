"""Rows of billing: priced items, bills, payers."""

from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import msgspec

from app.billing.charges import Line, open_bill
from app.billing.tables import BillKind
from app.encounters.tables import EncounterKind
from app.encounters.visiting import open_encounter
from app.identity.channel_login import ensure_account
from app.identity.roles import Platform
from app.kernel.actor import Actor, ActorKind, system
from app.kernel.ids import new_id
from tests.make import organization, patients
from tests.make.rows import row

_numbers = count(1)
TEST = system("test")


async def item(*, micro_yuan: int = 12_340_000, name: str = "门诊诊查费") -> UUID:
    """A line of the price list; 12.34 yuan unless said otherwise."""
    return await row(
        "priced_item",
        code=f"T{next(_numbers)}{new_id().hex[-8:]}",
        name=name,
        kind="consultation",
        unit="次",
        unit_price_micro_yuan=micro_yuan,
        valid_from=date(2026, 1, 1),
        active=True,
    )


class Payer(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with a phone: the account here, and the wallet there."""

    actor: Actor
    person_id: UUID
    wallet: str


async def payer(wallet: str, *, platform: str = "wechat") -> Payer:
    """An account of this platform with a person bound to it."""
    account_id = await ensure_account(TEST, platform=Platform(platform), subject=wallet)
    actor = Actor(kind=ActorKind.ACCOUNT, id=account_id, channel="mini_program")
    person_id = await patients.bound_person(actor)
    return Payer(actor=actor, person_id=person_id, wallet=wallet)


async def bill(
    person_id: UUID,
    *,
    kind: BillKind = BillKind.OUTPATIENT,
    prices: tuple[int, ...] = (12_340_000,),
    quantity: Decimal = Decimal(1),
    **values: Any,
) -> UUID:
    """A bill with one line per price (millionths of a yuan)."""
    lines = [
        Line(item_id=await item(micro_yuan=price), source_id=new_id(), quantity=quantity) for price in prices
    ]
    return await open_bill(
        TEST,
        person_id=person_id,
        kind=kind,
        subject_kind="appointment" if kind is BillKind.REGISTRATION else "order_batch",
        subject_id=new_id(),
        lines=lines,
        **values,
    )


async def stay(person_id: UUID) -> UUID:
    """An open inpatient stay."""
    return await open_encounter(
        TEST,
        person_id=person_id,
        kind=EncounterKind.INPATIENT,
        department_id=await organization.department(),
    )

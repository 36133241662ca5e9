"""Facts reach their subscribers once, in order, and only if the change they tell was committed."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from app.kernel.actor import Actor, system
from app.kernel.database import action
from app.kernel.events import Event, Lane, Subscription, emit, fact
from app.kernel.ids import new_id
from app.kernel.relay import Relay


@fact(kind="parcel.moved", aggregate="parcel", key="parcel_id")
class ParcelMoved(msgspec.Struct, frozen=True):
    parcel_id: UUID
    to: str


@action
async def move_parcel(actor: Actor, *, parcel_id: UUID, to: str, fails: bool = False) -> None:
    await emit(actor, ParcelMoved(parcel_id, to))
    if fails:
        raise ValueError(to)


def hearing(seen: list[str], failing: set[str]) -> Relay:
    async def hear(actor: Actor, told: Any, event: Event) -> None:
        if told.to in failing:
            raise ValueError(told.to)
        seen.append(f"{event.aggregate_version}:{told.to}")

    return Relay([Subscription("tests.hear", ParcelMoved, hear)])


async def test_a_fact_is_delivered_once_and_in_order(db: str) -> None:
    seen: list[str] = []
    relay = hearing(seen, set())
    parcel = new_id()
    await move_parcel(system("test"), parcel_id=parcel, to="a")
    await move_parcel(system("test"), parcel_id=parcel, to="b")
    while await relay.turn(Lane.LIVE):
        pass
    assert seen == ["1:a", "2:b"]


async def test_a_rolled_back_fact_is_never_told(db: str) -> None:
    seen: list[str] = []
    relay = hearing(seen, set())
    with pytest.raises(ValueError, match="x"):
        await move_parcel(system("test"), parcel_id=new_id(), to="x", fails=True)
    assert await relay.turn(Lane.LIVE) == 0
    assert seen == []

"""Two hands at one printer, and a stop against a needle: exactly one each."""

import asyncio
from collections.abc import Awaitable

import pytest

from app.laboratory.collecting import NothingToLabel, collect_specimen, label_specimens
from app.orders.paying import stop_order
from tests.make import laboratory, orders
from tests.make.rows import value

pytestmark = pytest.mark.commits
ROUNDS = 5


async def outcomes(*tries: Awaitable[object]) -> list[object]:
    return await asyncio.gather(*tries, return_exceptions=True)


def refused(found: list[object]) -> list[BaseException]:
    return [outcome for outcome in found if isinstance(outcome, BaseException)]


async def test_a_tube_is_labelled_and_a_stop_or_a_collection_wins_once(db: str) -> None:
    for _ in range(ROUNDS):
        visit = await orders.visit()
        order = await orders.paid_lab_order(visit)
        labels = await outcomes(
            label_specimens(visit.technician, encounter_id=visit.encounter_id),
            label_specimens(visit.second_technician, encounter_id=visit.encounter_id),
        )
        assert [type(error) for error in refused(labels)] == [NothingToLabel]
        specimen = await value("SELECT id FROM specimen WHERE encounter_id = $1", visit.encounter_id)
        found = await outcomes(
            stop_order(visit.doctor, order_id=order, reason="患者要求"),
            collect_specimen(visit.technician, specimen_id=specimen),
        )
        assert len(refused(found)) == 1
        state = await orders.order_state(order), await laboratory.status(specimen)
        assert state in (
            (("stopped", "refunding"), "labelled"),
            (("executing", "paid"), "collected"),
        )

"""Tubes: only for paid orders, shared by kind and container, taken again when rejected."""

from uuid import UUID

import pytest

from app.laboratory import collecting
from app.laboratory.collecting import (
    collect_specimen,
    discard_label,
    label_specimens,
    receive_specimen,
    reject_specimen,
    send_specimen,
)
from app.laboratory.tables import RejectReason
from app.orders.executing import LabOrderNotFound, OrderUnpaid, begin_lab_orders
from app.orders.paying import OrderNotStoppable, stop_order
from tests.make import identity, laboratory, orders, organization
from tests.make.rows import value


async def test_unpaid_orders_get_no_barcode(db: str) -> None:
    visit = await orders.visit()
    order = await orders.paid_lab_order(visit)
    await orders.lab_order(visit)
    await orders.submit(visit)
    await label_specimens(visit.technician, encounter_id=visit.encounter_id)
    assert await value("SELECT array_agg(order_id) FROM specimen_order") == [order]
    with pytest.raises(collecting.NothingToLabel):
        await label_specimens(visit.technician, encounter_id=visit.encounter_id)


async def test_panels_of_one_kind_share_a_tube_and_others_do_not(db: str) -> None:
    visit = await orders.visit()
    for container in ("紫管", "紫管", "黄管"):
        await orders.lab_order(visit, panel_id=await orders.panel(container=container))
    await orders.pay(await orders.bill_of(await orders.submit(visit)))
    await label_specimens(visit.technician, encounter_id=visit.encounter_id)
    assert await value("SELECT count(*) FROM specimen") == 2
    assert await value("SELECT count(*) FROM specimen_order") == 3


async def test_collecting_uses_the_money_and_runs_the_order(db: str) -> None:
    visit = await orders.visit()
    order = await orders.paid_lab_order(visit)
    await collect_specimen(visit.technician, specimen_id=await laboratory.labelled(visit))
    assert await orders.order_state(order) == ("executing", "paid")
    assert await fulfilment(order) == "fulfilled"
    with pytest.raises(OrderNotStoppable):
        await stop_order(visit.doctor, order_id=order, reason="患者要求")


async def fulfilment(source_id: UUID) -> str:
    return await value("SELECT fulfilment FROM charge WHERE source_id = $1", source_id)


async def test_a_tube_is_collected_once(db: str) -> None:
    visit = await orders.visit()
    specimen = await laboratory.ordered_and_received(visit)
    with pytest.raises(Exception) as refused:  # noqa: PT011 - whichever of the two guards speaks first
        await collect_specimen(visit.technician, specimen_id=specimen)
    assert getattr(refused.value, "status", 0) == 409


async def test_a_stopped_orders_tube_is_not_collected_but_thrown_away(db: str) -> None:
    visit = await orders.visit()
    order = await orders.paid_lab_order(visit)
    specimen = await laboratory.labelled(visit)
    await stop_order(visit.doctor, order_id=order, reason="患者要求")
    with pytest.raises(collecting.OrdersStopped):
        await collect_specimen(visit.technician, specimen_id=specimen)
    await discard_label(visit.technician, specimen_id=specimen)
    assert await laboratory.status(specimen) == "discarded"


async def test_what_stands_after_a_discarded_label_is_labelled_anew(db: str) -> None:
    visit = await orders.visit()
    await orders.paid_lab_order(visit)
    specimen = await laboratory.labelled(visit)
    await discard_label(visit.technician, specimen_id=specimen)
    await label_specimens(visit.technician, encounter_id=visit.encounter_id)
    assert await value("SELECT count(*) FROM specimen WHERE status = 'labelled'") == 1


async def test_a_rejected_tube_is_taken_again_without_paying_again(db: str) -> None:
    visit = await orders.visit()
    order = await orders.paid_lab_order(visit)
    specimen = await laboratory.received(visit)
    again = await reject_specimen(visit.technician, specimen_id=specimen, reason=RejectReason.CLOTTED)
    assert await laboratory.status(specimen) == "rejected"
    assert await orders.order_state(order) == ("active", "paid")
    assert await value("SELECT attempt FROM specimen WHERE id = $1", again) == 2
    assert await laboratory.barcode(again) != await laboratory.barcode(specimen)
    await collect_specimen(visit.technician, specimen_id=again)
    assert await orders.order_state(order) == ("executing", "paid")


async def test_the_rejection_is_told_on_the_timeline(db: str) -> None:
    visit = await orders.visit()
    specimen = await laboratory.ordered_and_received(visit)
    await reject_specimen(visit.technician, specimen_id=specimen, reason=RejectReason.HAEMOLYSIS)
    await orders.settle()
    assert await value("SELECT count(*) FROM timeline_entry WHERE kind = 'specimen.rejected'") == 1


async def test_attempts_are_bounded(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "ATTEMPTS_MAX", 1)
    visit = await orders.visit()
    specimen = await laboratory.ordered_and_received(visit)
    with pytest.raises(collecting.TooManyAttempts):
        await reject_specimen(visit.technician, specimen_id=specimen, reason=RejectReason.CLOTTED)


async def test_a_tube_in_transit_is_received(db: str) -> None:
    visit = await orders.visit()
    await orders.paid_lab_order(visit)
    specimen = await laboratory.labelled(visit)
    with pytest.raises(collecting.SpecimenMoved):
        await receive_specimen(visit.technician, specimen_id=specimen)
    await collect_specimen(visit.technician, specimen_id=specimen)
    await send_specimen(visit.technician, specimen_id=specimen)
    await receive_specimen(visit.technician, specimen_id=specimen)
    assert await laboratory.status(specimen) == "received"


async def test_a_stranger_on_the_staff_finds_no_tube(db: str) -> None:
    visit = await orders.visit()
    specimen = await laboratory.ordered_and_received(visit)
    stranger = identity.staff_actor(
        await organization.staff(role="nurse", department_id=await organization.department())
    )
    with pytest.raises(collecting.SpecimenNotFound):
        await receive_specimen(stranger, specimen_id=specimen)


async def test_an_order_whose_money_goes_back_is_not_begun(db: str) -> None:
    visit = await orders.visit()
    order = await orders.paid_lab_order(visit)
    await stop_order(visit.doctor, order_id=order, reason="患者要求")
    with pytest.raises(OrderUnpaid):
        await begin_lab_orders(visit.technician, order_ids=[order])
    with pytest.raises(LabOrderNotFound):
        await begin_lab_orders(visit.technician, order_ids=[visit.encounter_id])

"""With the doctor and after: nothing is done before it is paid, nothing twice, nothing for strangers."""

from typing import Any

import pytest

from app.demo import arriving, treating
from app.demo.callers import Caller, Refused
from app.demo.day import Day, eventually
from tests.visitors import new_visitor

CHECKS = ["prescription", "drug", "compatibility", "diagnosis"]


async def test_orders_wait_for_their_money_and_are_carried_out_once(day: Day) -> None:
    for step in (
        arriving.log_in_and_bind,
        arriving.hold,
        arriving.pay,
        arriving.check_in,
        arriving.be_called,
    ):
        await step(day)
    await treating.consult(day)
    prescription = await ordered_prescription(day)

    await nothing_happens_unpaid(day, prescription)
    await treating.pay_orders(day)
    await treating.laboratory(day)
    await the_report_is_the_familys_alone(day)
    await treating.pharmacy(day)
    await nothing_is_handed_out_twice(day, prescription)
    await treating.close(day)


async def ordered_prescription(day: Day) -> dict[str, Any]:
    """As the phone sees it: of her own, so with its lines."""
    found = (await day.phone.get("/prescriptions", person_id=day.child["id"]))["items"]
    assert [each["state"] for each in found] == ["unpaid"]
    return found[0]


async def nothing_happens_unpaid(day: Day, prescription: dict[str, Any]) -> None:
    collector, pharmacist = await day.staff("technician", nth=2), await day.staff("pharmacist")
    await collector.expect_refusal("nothing_to_label", "/specimens", {"encounter_id": day.encounter_id})
    path = f"/prescriptions/{prescription['id']}"
    refused = {
        "review": await refusal(pharmacist, f"{path}/review", {"decision": "pass"}),
        "call": await refusal(pharmacist, f"{path}/call", {}),
        "dispense": await refusal(pharmacist, f"{path}/dispense", handed(day, prescription)),
    }
    assert refused == {
        "review": "prescription_not_waiting",
        "call": "prescription_not_reviewed",
        "dispense": "order_unpaid",
    }


async def the_report_is_the_familys_alone(day: Day) -> None:
    stranger = await new_visitor(day)
    for path in (f"/reports/{day.report_id}", f"/timeline?person_id={day.child['id']}"):
        with pytest.raises(Refused) as refused:
            await stranger.phone.get(path)
        assert refused.value.status == 404, path
    assert (await stranger.phone.get("/reports"))["items"] == []
    assert (await day.alipay_phone.get(f"/reports/{day.report_id}"))["id"] == day.report_id


async def nothing_is_handed_out_twice(day: Day, prescription: dict[str, Any]) -> None:
    pharmacist = await day.staff("pharmacist", nth=1)
    path = f"/prescriptions/{prescription['id']}/dispense"
    assert await refusal(pharmacist, path, handed(day, prescription)) == "prescription_not_waiting"


def handed(day: Day, prescription: dict[str, Any]) -> dict[str, Any]:
    batches = [
        {"line_id": line["id"], "batch_number": "D20260901", "expires_on": f"{day.today.year + 2}-01-01"}
        for line in prescription["lines"]
    ]
    return {"checks": CHECKS, "batches": batches}


async def refusal(caller: Caller, path: str, body: dict[str, Any]) -> str:
    with pytest.raises(Refused) as refused:
        await caller.post(path, body)
    return refused.value.code


async def test_an_hour_without_a_patient_calls_nobody(day: Day) -> None:
    """A doctor's own room only, and only somebody who waits."""
    await arriving.log_in_and_bind(day)
    await arriving.hold(day)
    doctor = await day.staff("doctor", staff_id=day.session["doctor_id"])
    other = await day.staff("pharmacist")
    room = f"/rooms/{day.appointment['room_id']}/call-next"
    assert await refusal(other, room, {}) == "wrong_role"
    await eventually(lambda: emptied(doctor, room), lambda code: code == "queue_empty", "an empty room")


async def emptied(doctor: Caller, room: str) -> str:
    try:
        called = await doctor.post(room)
    except Refused as refused:
        if refused.code == "desk_has_called":
            await doctor.post(f"/tickets/{refused.problem['ids']['ticket_id']}/miss")
        return refused.code
    await doctor.post(f"/tickets/{called['ticket']['ticket_id']}/miss")
    return "called"

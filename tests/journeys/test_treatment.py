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
    """The phone sees that it is to be paid; its lines are the doctor's to read."""
    found = (await day.phone.get("/prescriptions", person_id=day.child["id"]))["items"]
    assert [each["state"] for each in found] == ["unpaid"]
    return await day.doctor.get(f"/prescriptions/{found[0]['id']}")


async def nothing_happens_unpaid(day: Day, prescription: dict[str, Any]) -> None:
    collector, pharmacist = await day.staff("technician", nth=2), await day.staff("pharmacist")
    path = f"/prescriptions/{prescription['id']}"
    refused = {
        "label": await refusal(collector, "/specimens", {"encounter_id": day.encounter_id}),
        "review": await refusal(pharmacist, f"{path}/review", {"decision": "pass"}),
        "call": await refusal(pharmacist, f"{path}/call", {}),
        "dispense": await refusal(pharmacist, f"{path}/dispense", handed(day, prescription)),
    }
    # Neither is told of a patient for whom there is nothing to do yet.
    assert refused == {"label": "encounter_not_found"} | dict.fromkeys(
        ("review", "call", "dispense"), "prescription_not_found"
    )
    waiting = await pharmacist.get("/prescriptions", limit=100)
    assert prescription["id"] not in {each["id"] for each in waiting["items"]}


async def the_report_is_the_familys_alone(day: Day) -> None:
    stranger = await new_visitor(day)
    with pytest.raises(Refused) as report:
        await stranger.phone.get(f"/reports/{day.report_id}")
    with pytest.raises(Refused) as timeline:
        await stranger.phone.get("/timeline", person_id=day.child["id"])
    assert (report.value.status, report.value.code) == (404, "report_not_found")
    assert (timeline.value.status, timeline.value.code) == (404, "person_not_found")
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


async def test_a_room_calls_for_its_doctor_only_and_nobody_from_an_empty_queue(day: Day) -> None:
    await arriving.log_in_and_bind(day)
    await arriving.hold(day)
    doctor = await day.staff("doctor", staff_id=day.session["doctor_id"])
    room = f"/rooms/{day.appointment['room_id']}/call-next"

    assert await refusal(await day.staff("pharmacist"), room, {}) == "wrong_role"
    await eventually(lambda: passed_over(doctor, room), lambda code: code == "queue_empty", "an empty room")


async def passed_over(doctor: Caller, room: str) -> str:
    """Whoever waits there from an earlier story; the refusal when nobody does."""
    try:
        ticket_id = (await doctor.post(room))["ticket"]["ticket_id"]
    except Refused as refused:
        if refused.code != "desk_has_called":
            return refused.code
        ticket_id = refused.problem["ids"]["ticket_id"]
    await doctor.post(f"/tickets/{ticket_id}/miss")
    return "somebody waited"

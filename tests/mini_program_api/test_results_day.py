"""One visit's orders over HTTP: written, paid, measured, read on the phone, called to the window."""

from datetime import date
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.kernel.actor import Actor, ActorKind
from tests.make import identity, laboratory, orders
from tests.make.orders import Visit

STAFF = "/api/staff/v1"
PHONE = "/api/mini-program/v1"


class Desk:
    """A client that speaks as one actor of the visit."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self.client = client
        self.token = token

    async def get(self, path: str, *, status: int = 200) -> Any:
        answer = await self.client.get(path, headers=identity.bearer(self.token))
        assert answer.status_code == status, answer.text
        return answer.json()

    async def post(self, path: str, body: object = None, *, status: int = 200) -> Any:
        answer = await self.client.post(path, json=body, headers=identity.bearer(self.token))
        assert answer.status_code == status, answer.text
        return answer.json()


_tokens: dict[UUID, str] = {}  # another login of the same person would end the first one's session


async def desk(client: httpx.AsyncClient, actor: Actor, role: str = "") -> Desk:
    assert actor.id is not None
    if actor.id not in _tokens:
        _tokens[actor.id] = await (
            identity.account_token(actor.id)
            if actor.kind is ActorKind.ACCOUNT
            else identity.staff_token(role=role, staff_id=actor.id)
        )
    return Desk(client, _tokens[actor.id])


def drug_line(drug_id: UUID) -> dict[str, object]:
    return {
        "drug_id": str(drug_id),
        "dose": "0.5g",
        "route": "口服",
        "frequency": "tid",
        "days": 3,
        "quantity": 1,
    }


async def written(client: httpx.AsyncClient, visit: Visit) -> dict[str, Any]:
    """A panel and a drug, submitted by the doctor."""
    doctor = await desk(client, visit.doctor, "doctor")
    at = f"{STAFF}/encounters/{visit.encounter_id}"
    await doctor.post(f"{at}/lab-orders", {"panel_id": str(await orders.panel())}, status=201)
    body = {"lines": [drug_line(await orders.drug())]}
    await doctor.post(f"{at}/prescriptions", body, status=201)
    return await doctor.post(f"{at}/submit", status=201)


async def test_the_day_of_a_blood_count_and_a_drug(db: str, client: httpx.AsyncClient) -> None:
    visit = await orders.visit()
    submission = await written(client, visit)
    phone = await desk(client, visit.phone)
    assert (await phone.get(f"{PHONE}/prescriptions"))["items"][0]["state_text"] == "待缴费"
    await orders.pay(UUID(submission["bill_id"]))

    await measure(client, visit)
    await orders.settle()
    (listed,) = (await phone.get(f"{PHONE}/reports"))["items"]
    assert (listed["read"], listed["needs_handover"], listed["corrected"]) == (False, False, False)
    report = await phone.get(f"{PHONE}/reports/{listed['id']}")
    assert [row["mark"] for row in report["rows"]] == ["偏高 ↑", "正常"]
    assert (await phone.get(f"{PHONE}/reports?person_id={visit.person_id}"))["items"][0]["read"] is True

    await fetch_drugs(client, visit)
    doctor = await desk(client, visit.doctor, "doctor")
    statuses = (await doctor.get(f"{STAFF}/encounters/{visit.encounter_id}/orders"))["items"]
    assert [order["status"] for order in statuses] == ["done", "done"]


async def measure(client: httpx.AsyncClient, visit: Visit) -> None:
    technician = await desk(client, visit.technician, "technician")
    second = await desk(client, visit.second_technician, "technician")
    label = {"encounter_id": str(visit.encounter_id)}
    (tube,) = (await technician.post(f"{STAFF}/specimens", label, status=201))["items"]
    assert (await technician.get(f"{STAFF}/specimens?status=labelled"))["items"][0]["id"] == tube["id"]
    for step in ("collect", "send", "receive"):
        tube = await technician.post(f"{STAFF}/specimens/{tube['id']}/{step}")
    found = await technician.get(f"{STAFF}/specimens/by-barcode/{tube['barcode']}")
    assert found["status"] == "received"
    control = {"analyser": "XN-1000", "test_code": "WBC", "state": "in"}
    await technician.post(f"{STAFF}/quality-controls", control, status=201)
    results = {
        "barcode": tube["barcode"],
        "analyser": "XN-1000",
        "message_id": "0001",
        "results": [
            {"code": "WBC", "value": "12.3", "unit": "10^9/L"},
            {"code": "HGB", "value": "130", "unit": "g/L"},
        ],
    }
    report = (await technician.post(f"{STAFF}/lab-results", results))["report_id"]
    refusal = await technician.post(f"{STAFF}/reports/{report}/verify", status=403)
    assert refusal["code"] == "second_person_needed"
    await second.post(f"{STAFF}/reports/{report}/verify")
    assert (await second.post(f"{STAFF}/reports/{report}/release"))["status"] == "released"
    assert (await technician.get(f"{STAFF}/encounters/{visit.encounter_id}/specimens"))["items"]
    assert (await second.get(f"{STAFF}/reports/{report}"))["rows"][0]["word"] == "偏高"


async def fetch_drugs(client: httpx.AsyncClient, visit: Visit) -> None:
    pharmacist = await desk(client, visit.pharmacist, "pharmacist")
    phone = await desk(client, visit.phone)
    (waiting,) = (await pharmacist.get(f"{STAFF}/prescriptions"))["items"]
    at = f"{STAFF}/prescriptions/{waiting['id']}"
    await pharmacist.post(f"{at}/review", {"decision": "pass"})
    called = await pharmacist.post(f"{at}/call")
    (mine,) = (await phone.get(f"{PHONE}/prescriptions?person_id={visit.person_id}"))["items"]
    assert mine["state_text"] == "请到窗口取药"
    assert (mine["number"], mine["window"]) == (called["number"], called["window"])
    assert mine["drugs"][0]["frequency"] == "每日三次"
    batch = {"line_id": waiting["lines"][0]["id"], "batch_number": "B1", "expires_on": str(date(2099, 1, 1))}
    checks = ["prescription", "drug", "compatibility", "diagnosis"]
    await pharmacist.post(f"{at}/dispense", {"checks": checks, "batches": [batch]})
    again = await pharmacist.post(f"{at}/dispense", {"checks": checks, "batches": [batch]}, status=409)
    assert again["code"] == "prescription_not_waiting"
    assert (await phone.get(f"{PHONE}/prescriptions"))["items"][0]["state"] == "dispensed"


async def test_a_stranger_finds_nothing(db: str, client: httpx.AsyncClient) -> None:
    visit = await orders.visit()
    report = await laboratory.released(visit)
    stranger = Desk(client, await identity.account_token())
    refusal = await stranger.get(f"{PHONE}/reports/{report}", status=404)
    assert refusal["code"] == "report_not_found"
    assert (await stranger.get(f"{PHONE}/reports"))["items"] == []
    assert (await stranger.get(f"{PHONE}/prescriptions"))["items"] == []
    await stranger.get(f"{PHONE}/reports?person_id={visit.person_id}", status=404)


async def test_a_report_with_a_dangerous_value_is_listed_but_waits(
    db: str, client: httpx.AsyncClient
) -> None:
    visit = await orders.visit()
    report = await laboratory.released(visit, ("WBC", "30.1", "10^9/L"), ("HGB", "130", "g/L"))
    phone = await desk(client, visit.phone)
    assert (await phone.get(f"{PHONE}/reports"))["items"][0]["needs_handover"] is True
    refusal = await phone.get(f"{PHONE}/reports/{report}", status=409)
    assert refusal["code"] == "report_needs_handover"
    doctor = await desk(client, visit.doctor, "doctor")
    (found,) = (await doctor.get(f"{STAFF}/critical-values"))["items"]
    at = f"{STAFF}/critical-values/{found['id']}"
    assert (await doctor.post(f"{at}/acknowledge", {"read_back": "30.1"}))["status"] == "acknowledged"
    assert (await doctor.post(f"{at}/handle", {"handling": "复查，会诊"}))["status"] == "handled"
    assert (await phone.get(f"{PHONE}/reports/{report}"))["rows"][0]["word"] == "危急"


async def test_the_doctor_takes_back_cancels_and_stops(db: str, client: httpx.AsyncClient) -> None:
    visit = await orders.visit()
    doctor = await desk(client, visit.doctor, "doctor")
    submission = await written(client, visit)
    await doctor.post(f"{STAFF}/submissions/{submission['id']}/withdraw")
    draft = await orders.lab_order(visit)
    assert (await doctor.post(f"{STAFF}/orders/{draft}/cancel"))["status"] == "cancelled"
    paid = await orders.paid_prescription(visit)
    at = f"{STAFF}/prescriptions/{paid}"
    assert (await doctor.post(f"{at}/extend", {"days": 2}))["dispense"] == "to_review"
    assert (await doctor.get(at))["person"]["id"] == str(visit.person_id)
    stopped = await doctor.post(f"{STAFF}/orders/{paid}/stop", {"reason": "患者要求"})
    assert (stopped["status"], stopped["payment"]) == ("stopped", "refunding")
    use = {"use": "pain", "valid_to": "2099-01-01"}
    await doctor.post(f"{STAFF}/persons/{visit.person_id}/controlled-uses", use, status=201)


async def test_the_laboratory_rejects_discards_and_corrects(db: str, client: httpx.AsyncClient) -> None:
    visit = await orders.visit()
    technician = await desk(client, visit.technician, "technician")
    specimen = await laboratory.ordered_and_received(visit)
    again = await technician.post(f"{STAFF}/specimens/{specimen}/reject", {"reason": "clotted"})
    assert (again["attempt"], again["status"]) == (2, "labelled")
    await technician.post(f"{STAFF}/specimens/{again['id']}/discard")
    other = await orders.visit()
    report = await laboratory.released(other)
    technician = await desk(client, other.technician, "technician")
    correction = {"reason": "复测", "results": [{"code": "WBC", "value": "5.0", "unit": "10^9/L"}]}
    version = await technician.post(f"{STAFF}/reports/{report}/correct", correction, status=201)
    assert (version["version"], version["status"]) == (2, "entered")


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("nurse", "encounters/{id}/submit"),
        ("doctor", "reports/{id}/release"),
        ("nurse", "prescriptions/{id}/dispense"),
        ("pharmacist", "specimens/{id}/collect"),
    ],
)
async def test_roles_keep_to_their_desks(db: str, client: httpx.AsyncClient, role: str, path: str) -> None:
    visit = await orders.visit()
    staff = Desk(client, await identity.staff_token(role=role))
    refusal = await staff.post(f"{STAFF}/{path.format(id=visit.encounter_id)}", {}, status=403)
    assert refusal["code"] == "wrong_role"


async def test_what_does_not_exist_is_not_found(db: str, client: httpx.AsyncClient) -> None:
    visit = await orders.visit()
    doctor = await desk(client, visit.doctor, "doctor")
    missing = visit.encounter_id
    for path in (
        f"prescriptions/{missing}",
        f"reports/{missing}",
        "specimens/by-barcode/000000000000",
    ):
        await doctor.get(f"{STAFF}/{path}", status=404)
    await doctor.post(f"{STAFF}/orders/{missing}/cancel", status=404)
    await doctor.post(f"{STAFF}/critical-values/{missing}/handle", {"handling": "x"}, status=404)


async def test_a_prescription_over_http_says_what_is_wrong(db: str, client: httpx.AsyncClient) -> None:
    visit = await orders.visit()
    doctor = await desk(client, visit.doctor, "doctor")
    line = drug_line(await orders.drug()) | {"days": 8}
    at = f"{STAFF}/encounters/{visit.encounter_id}/prescriptions"
    refusal = await doctor.post(at, {"lines": [line]}, status=422)
    assert (refusal["code"], refusal["ids"]) == ("supply_needs_reason", {"positions": "1"})
    await doctor.post(at, {"lines": [line], "surprise": 1}, status=400)


async def test_a_returned_prescription_tells_the_phone(db: str, client: httpx.AsyncClient) -> None:
    visit = await orders.visit()
    prescription = await orders.paid_prescription(visit)
    pharmacist = await desk(client, visit.pharmacist, "pharmacist")
    body = {"decision": "return", "category": "legality", "reason": "缺少医师签名"}
    await pharmacist.post(f"{STAFF}/prescriptions/{prescription}/review", body)
    phone = await desk(client, visit.phone)
    (mine,) = (await phone.get(f"{PHONE}/prescriptions"))["items"]
    assert (mine["state"], mine["payment"]) == ("returned", "refunding")

"""The ward's work over HTTP."""

from typing import Any
from uuid import uuid4

import httpx

from tests.make import inpatient as make

API = "/api/staff/v1"


class Desk:
    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.client.get(API + path, headers=self.headers, params=query)

    async def post(self, path: str, **body: Any) -> httpx.Response:
        headers = self.headers | {"Idempotency-Key": str(uuid4())}
        return await self.client.post(API + path, headers=headers, json=body)


async def test_a_stay_from_admission_to_discharge(db: str, client: httpx.AsyncClient) -> None:
    ward = await make.new_ward()
    nurse, bed_id, person_id = await make.staff(ward), await make.bed(ward), await make.person(name="李小明")
    desk = Desk(client, await make.bearer(nurse, role="nurse"))
    admitted = await desk.post(
        "/admissions", person_id=str(person_id), bed_id=str(bed_id), nurse_id=str(nurse.id)
    )
    assert admitted.status_code == 201, admitted.text
    assert (admitted.json()["masked_name"], admitted.json()["nurse"]) == ("李*明", "王芳")
    path = f"/admissions/{admitted.json()['admission_id']}"
    assert (await desk.get(path)).json() == admitted.json()
    listed = (await desk.get(f"/wards/{ward.id}/stays")).json()
    assert [stay["admission_id"] for stay in listed["items"]] == [admitted.json()["admission_id"]]
    first = (await desk.get(f"{path}/wristband")).json()["qr"]
    assert (await desk.post(f"{path}/wristband")).json()["qr"] != first
    item_id = await make.item(name="雾化吸入", kind="treatment", yuan=10)
    charged = await desk.post(f"{path}/daily-charges", item_id=str(item_id), quantity="1.5")
    assert charged.status_code == 201, charged.text
    fees = (await desk.get(f"{path}/fees")).json()
    assert [(line["item"], line["amount_yuan"]) for line in fees["lines"]] == [("雾化吸入", "15.00")]
    assert (await desk.get(f"{path}/fees", day="2020-01-01")).json()["lines"] == []
    assert (await desk.get(f"{path}/deposit")).json()["charged_fen"] == 1500
    free = await make.bed(ward, label="02")
    moved = await desk.post(f"{path}/bed", bed_id=str(free))
    assert moved.json() == {"admission_id": admitted.json()["admission_id"]}
    gone = await desk.post(f"{path}/discharge")
    assert (gone.status_code, gone.json()["status"], gone.json()["bed"]) == (200, "discharged", None)


async def test_admission_is_the_wards_and_the_registrars(db: str, client: httpx.AsyncClient) -> None:
    ward = await make.new_ward()
    bed_id, person_id = await make.bed(ward), await make.person()
    pharmacist = await make.staff(ward, role="pharmacist")
    desk = Desk(client, await make.bearer(pharmacist, role="pharmacist"))
    refused = await desk.post("/admissions", person_id=str(person_id), bed_id=str(bed_id))
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_role")


async def test_a_taken_bed_is_refused_with_words(db: str, client: httpx.AsyncClient) -> None:
    stay = await make.stay()
    desk = Desk(client, await make.bearer(stay.nurse, role="nurse"))
    other = await make.person()
    refused = await desk.post("/admissions", person_id=str(other), bed_id=str(stay.bed_id))
    assert (refused.status_code, refused.json()["code"]) == (409, "bed_taken")


async def test_an_admission_repeated_with_its_key_is_one(db: str, client: httpx.AsyncClient) -> None:
    ward = await make.new_ward()
    nurse, bed_id, person_id = await make.staff(ward), await make.bed(ward), await make.person()
    headers = await make.bearer(nurse, role="nurse") | {"Idempotency-Key": "admission-0001"}
    body = {"person_id": str(person_id), "bed_id": str(bed_id)}
    replies = [await client.post(f"{API}/admissions", headers=headers, json=body) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [201, 201]
    assert replies[0].json() == replies[1].json()

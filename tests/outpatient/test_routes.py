"""The desk and the room over HTTP: check in, call, treat, pass over, serve at a window."""

from datetime import date, time
from uuid import UUID

import httpx
import pytest

from app.kernel.actor import system
from app.kernel.ids import new_id
from app.outpatient.rules import at
from app.queueing.joining import join_queue
from app.queueing.queues import window_queue
from tests.make import identity, organization, patients, visit

SYSTEM = system("test")
STAFF = "/api/staff/v1"
DAY = date(2026, 3, 2)


class Floor:
    """A department with its doctor, a nurse, and a patient booked for 9:00."""

    def __init__(self, client: httpx.AsyncClient, place: visit.Clinic, appointment_id: UUID) -> None:
        self.client = client
        self.place = place
        self.appointment_id = appointment_id
        self.doctor = ""
        self.nurse = ""

    async def post(self, path: str, token: str, body: object = None) -> httpx.Response:
        return await self.client.post(f"{STAFF}{path}", json=body, headers=identity.bearer(token))

    async def get(self, path: str, token: str) -> httpx.Response:
        return await self.client.get(f"{STAFF}{path}", headers=identity.bearer(token))

    async def called(self) -> str:
        await self.post(f"/appointments/{self.appointment_id}/check-in", self.nurse)
        answer = await self.post(f"/rooms/{self.place.room_id}/call-next", self.doctor)
        assert answer.status_code == 200, answer.text
        return answer.json()["ticket"]["ticket_id"]


@pytest.fixture
async def floor(client: httpx.AsyncClient) -> Floor:
    await visit.set_clock(at(DAY, time(8)))
    place = await visit.clinic(fee_fen=0)
    made = await visit.session(place, held_on=DAY, starts=time(9))
    appointment_id = await visit.booked(SYSTEM, made, person_id=await patients.person())
    floor = Floor(client, place, appointment_id)
    floor.doctor = await identity.staff_token(staff_id=place.staff_id)
    nurse_id = await organization.staff(role="nurse", department_id=place.department_id)
    floor.nurse = await identity.staff_token(role="nurse", staff_id=nurse_id)
    return floor


async def test_a_visit_from_the_desk_to_its_end(floor: Floor) -> None:
    ticket_id = await floor.called()
    again = await floor.post(f"/tickets/{ticket_id}/recall", floor.nurse)
    assert again.json()["ticket"]["repeat_no"] == 2
    begun = await floor.post(f"/tickets/{ticket_id}/start", floor.doctor)
    assert begun.json()["person"]["name"] == "李小明"
    encounter_id = begun.json()["encounter"]["id"]
    noted = await floor.post(
        f"/encounters/{encounter_id}/note", floor.doctor, {"chief_complaint": "发热两天", "advice": "休息"}
    )
    assert (noted.json()["note"]["version"], noted.json()["note"]["advice"]) == (1, "休息")
    refused = await floor.post(f"/encounters/{encounter_id}/note", floor.doctor, {"chief_complaint": ""})
    assert refused.status_code == 400
    refused = await floor.post(
        f"/encounters/{encounter_id}/diagnoses", floor.doctor, {"icd10_code": "Z99.99X"}
    )
    assert (refused.status_code, refused.json()["code"]) == (404, "icd10_not_found")
    out = await floor.post(f"/tickets/{ticket_id}/send-for-test", floor.doctor)
    assert out.json()["status"] == "out_for_test"
    finished = await floor.post(f"/encounters/{encounter_id}/finish", floor.doctor)
    assert finished.json()["encounter"]["status"] == "closed"
    seen = await floor.get(f"/encounters/{encounter_id}/visit", floor.doctor)
    assert seen.json()["note"]["chief_complaint"] == "发热两天"


async def test_the_room_sees_its_queue_and_passes_over(floor: Floor) -> None:
    ticket_id = await floor.called()
    queue = (await floor.get(f"/rooms/{floor.place.room_id}/queue", floor.doctor)).json()
    assert [t["ticket_id"] for t in queue["current"]] == [ticket_id]
    busy = await floor.post(f"/rooms/{floor.place.room_id}/call-next", floor.doctor)
    assert (busy.status_code, busy.json()["code"]) == (409, "desk_has_called")
    missed = await floor.post(f"/tickets/{ticket_id}/miss", floor.doctor)
    assert missed.json()["ticket"]["status"] == "missed"
    zone = (await floor.get(f"/zones/{floor.place.zone_id}/queue", floor.nurse)).json()
    assert [m["number"] for m in zone["missed"]] == ["A001"]
    empty = await floor.post(f"/rooms/{floor.place.room_id}/call-next", floor.doctor)
    assert (empty.status_code, empty.json()["code"]) == (409, "queue_empty")


async def test_the_nurse_sends_to_the_door_and_readmits(floor: Floor) -> None:
    ticket_id = await floor.called()
    for _ in range(3):
        await floor.post(f"/tickets/{ticket_id}/miss", floor.nurse)
        await floor.post(f"/appointments/{floor.appointment_id}/check-in", floor.nurse)
        await floor.post(f"/rooms/{floor.place.room_id}/call-next", floor.doctor)
    readmitted = await floor.post(f"/tickets/{ticket_id}/readmit", floor.nurse)
    assert readmitted.json()["ticket"]["status"] == "waiting"
    door = await floor.post(f"/tickets/{ticket_id}/door", floor.nurse, {"room_id": str(floor.place.room_id)})
    assert (door.json()["ticket"]["status"], door.json()["ticket"]["people_ahead"]) == ("room_wait", 0)


async def test_a_check_in_is_taken_back(floor: Floor) -> None:
    await floor.post(f"/appointments/{floor.appointment_id}/check-in", floor.nurse)
    done = await floor.post(f"/appointments/{floor.appointment_id}/undo-check-in", floor.nurse)
    assert done.json() == {"id": str(floor.appointment_id)}


async def test_roles_keep_to_their_room(floor: Floor) -> None:
    ticket_id = await floor.called()
    for path in (f"/tickets/{ticket_id}/start", f"/encounters/{new_id()}/finish"):
        refused = await floor.post(path, floor.nurse)
        assert (refused.status_code, refused.json()["code"]) == (403, "wrong_role")
    phone = await identity.account_token()
    assert (await floor.post(f"/tickets/{ticket_id}/miss", phone)).status_code == 403


async def test_a_window_calls_and_serves(floor: Floor) -> None:
    window_id = await organization.window()
    pharmacist = await identity.staff_token(
        role="pharmacist", staff_id=await organization.staff(role="pharmacist")
    )
    ticket_id = await join_queue(
        SYSTEM,
        queue_id=await window_queue(SYSTEM, window_id=window_id),
        person_id=await patients.person(),
        subject_kind="prescription",
        subject_id=new_id(),
    )
    called = await floor.post(f"/windows/{window_id}/call-next", pharmacist)
    assert called.status_code == 200, called.text
    assert (called.json()["ticket_id"], called.json()["status"]) == (str(ticket_id), "called")
    board = (await floor.get(f"/windows/{window_id}/queue", pharmacist)).json()
    assert [c["masked_name"] for c in board["calling"]] == ["李*明"]
    served = await floor.post(f"/tickets/{ticket_id}/serve", pharmacist)
    assert served.status_code == 200, served.text
    assert (served.json()["ticket"]["status"], served.json()["person"]) == ("done", None)

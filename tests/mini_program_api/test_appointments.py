"""Booking from the phone: look, hold, pay, show the code, give back."""

import re
from datetime import date, time, timedelta

import httpx
import pytest
import zxingcpp
from PIL import Image

from app.kernel.actor import Actor, ActorKind, system
from app.outpatient.arrival import check_in
from app.outpatient.codes import QUIET_ZONE, qr_svg
from app.outpatient.rules import at
from app.queueing.calling import call_next
from tests.make import identity, patients, payment, visit
from tests.make.rows import value

PHONE = "/api/mini-program/v1"
MONDAY = date(2026, 3, 2)


class Phone:
    def __init__(self, client: httpx.AsyncClient, actor: Actor, token: str) -> None:
        self.client = client
        self.actor = actor
        self.token = token

    async def get(self, path: str, **params: str | int) -> httpx.Response:
        return await self.client.get(f"{PHONE}{path}", params=params, headers=identity.bearer(self.token))

    async def post(self, path: str, body: dict[str, object] | None = None) -> httpx.Response:
        return await self.client.post(f"{PHONE}{path}", json=body, headers=identity.bearer(self.token))


@pytest.fixture
async def phone(client: httpx.AsyncClient) -> Phone:
    await visit.set_clock(at(MONDAY, time(10)))
    account_id = await identity.account()
    actor = Actor(kind=ActorKind.ACCOUNT, id=account_id, channel="mini_program")
    return Phone(client, actor, await identity.account_token(account_id))


async def held(phone: Phone, made: visit.Session, person_id: object) -> dict[str, object]:
    answer = await phone.post(
        "/appointments",
        {"session_id": str(made.id), "window_id": str(made.windows[0]), "person_id": str(person_id)},
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_department_shows_its_half_days_with_what_is_left(phone: Phone) -> None:
    place = await visit.clinic(fee_fen=2500)
    made = await visit.session(place, windows=2, capacity=3)
    await visit.session(place, held_on=MONDAY + timedelta(days=9))
    await visit.session(await visit.clinic())
    names = {d["id"] for d in (await phone.get("/departments")).json()["items"]}
    assert str(place.department_id) in names
    sessions = (await phone.get(f"/departments/{place.department_id}/sessions")).json()["items"]
    assert [(s["session_id"], s["free"], s["capacity"]) for s in sessions] == [(str(made.id), 6, 6)]
    assert (sessions[0]["fee_fen"], sessions[0]["sale"], sessions[0]["doctor"]) == (2500, "open", "钟医生")
    await held(phone, made, await patients.bound_person(phone.actor))
    sessions = (await phone.get(f"/departments/{place.department_id}/sessions")).json()["items"]
    assert sessions[0]["free"] == 5
    windows = (await phone.get(f"/sessions/{made.id}/windows")).json()["items"]
    assert [(w["free"], w["bookable"]) for w in windows] == [(2, True), (3, True)]


async def test_days_are_chosen_and_bounded(phone: Phone) -> None:
    place = await visit.clinic()
    later = await visit.session(place, held_on=MONDAY + timedelta(days=9))
    path = f"/departments/{place.department_id}/sessions"
    found = (await phone.get(path, **{"from": "2026-03-11", "days": 1})).json()["items"]
    assert [s["session_id"] for s in found] == [str(later.id)]
    assert (await phone.get(path, days=99)).status_code == 400


async def test_what_is_not_on_sale_shows_nothing_free(phone: Phone) -> None:
    place = await visit.clinic()
    await visit.session(place, held_on=MONDAY, starts=time(10), windows=2, capacity=1)
    early = await visit.session(place, opens_at=at(MONDAY, time(11)))
    await visit.session(place, held_on=MONDAY + timedelta(days=4), status="stopped")
    sessions = (await phone.get(f"/departments/{place.department_id}/sessions")).json()["items"]
    assert [(s["sale"], s["status"], s["free"]) for s in sessions] == [
        ("open", "open", 1),  # of two windows the first has begun
        ("not_released", "open", 0),
        ("open", "stopped", 0),
    ]
    windows = (await phone.get(f"/sessions/{early.id}/windows")).json()["items"]
    assert windows[0]["bookable"] is False


async def test_unknown_sessions_are_not_found(phone: Phone) -> None:
    answer = await phone.get("/sessions/01920000-0000-7000-8000-000000000000/windows")
    assert (answer.status_code, answer.json()["code"]) == (404, "window_not_found")


async def test_hold_pay_show_the_code_and_give_back(phone: Phone) -> None:
    made = await visit.session(await visit.clinic())
    appointment = await held(phone, made, await patients.bound_person(phone.actor))
    path = f"/appointments/{appointment['id']}"
    assert (appointment["status"], appointment["qr_svg"]) == ("held", None)
    assert (await phone.get(path)).json()["booking_code"] is None
    bill_id = (await phone.post(f"{path}/bill")).json()["bill_id"]
    assert (await phone.get(path)).json()["bill_id"] == bill_id
    await payment.pay(bill_id)
    shown = (await phone.get(path)).json()
    assert shown["status"] == "booked"
    assert shown["booking_code"] == await value("SELECT booking_code FROM appointment")
    assert "<svg" in shown["qr_svg"]
    listed = (await phone.get("/appointments")).json()["items"]
    assert [(a["id"], a["booking_code"]) for a in listed] == [(appointment["id"], None)]
    given_back = await phone.post(f"{path}/cancel")
    assert given_back.json()["status"] == "cancelled"


async def test_the_same_key_holds_once(phone: Phone) -> None:
    made = await visit.session(await visit.clinic(), capacity=2)
    person_id = await patients.bound_person(phone.actor)
    body = {"session_id": str(made.id), "window_id": str(made.windows[0]), "person_id": str(person_id)}
    headers = identity.bearer(phone.token)
    replies = [await phone.client.post(f"{PHONE}/appointments", json=body, headers=headers) for _ in range(2)]
    assert replies[0].json()["id"] == replies[1].json()["id"]
    assert await value("SELECT count(*) FROM appointment") == 1


async def test_refusals_carry_their_code(phone: Phone) -> None:
    made = await visit.session(await visit.clinic(), capacity=1)
    person_id = await patients.bound_person(phone.actor)
    await held(phone, made, await patients.bound_person(phone.actor, relation="2"))
    answer = await phone.post(
        "/appointments",
        {"session_id": str(made.id), "window_id": str(made.windows[0]), "person_id": str(person_id)},
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "window_full")


async def test_the_list_is_paged(phone: Phone) -> None:
    person_id = await patients.bound_person(phone.actor)
    made = [await held(phone, await visit.session(await visit.clinic()), person_id) for _ in range(3)]
    first = (await phone.get("/appointments", limit=2)).json()
    assert [a["id"] for a in first["items"]] == [made[2]["id"], made[1]["id"]]
    rest = (await phone.get("/appointments", limit=2, after=first["next"])).json()
    assert ([a["id"] for a in rest["items"]], rest["next"]) == ([made[0]["id"]], None)


async def test_a_stranger_sees_no_appointment(phone: Phone) -> None:
    made = await visit.session(await visit.clinic())
    appointment = await held(phone, made, await patients.bound_person(phone.actor))
    stranger = Phone(phone.client, phone.actor, await identity.account_token())
    answer = await stranger.get(f"/appointments/{appointment['id']}")
    assert (answer.status_code, answer.json()["code"]) == (404, "appointment_not_found")
    assert (await stranger.get("/appointments")).json()["items"] == []
    assert (await phone.client.get(f"{PHONE}/appointments")).status_code == 401


async def test_the_phone_sees_where_its_ticket_stands(phone: Phone) -> None:
    place = await visit.clinic(fee_fen=0)
    made = await visit.session(place, held_on=MONDAY, starts=time(11))
    await visit.ticket(place, planned_at=at(MONDAY, time(9)))
    appointment = await held(phone, made, await patients.bound_person(phone.actor))
    system_actor = system("test")
    ticket_id = await check_in(system_actor, appointment_id=appointment["id"])  # type: ignore[arg-type] - an id as text
    tickets = (await phone.get("/tickets")).json()["items"]
    assert [(t["ticket_id"], t["number"], t["people_ahead"]) for t in tickets] == [
        (str(ticket_id), "A002", 1)
    ]
    await call_next(place.doctor, room_id=place.room_id)
    one = (await phone.get(f"/tickets/{ticket_id}")).json()
    assert (one["people_ahead"], one["status"]) == (0, "waiting")
    stranger = Phone(phone.client, phone.actor, await identity.account_token())
    assert (await stranger.get(f"/tickets/{ticket_id}")).status_code == 404


def test_the_code_reads_back_and_stands_in_white() -> None:
    """An independent decoder reads what we draw; four modules around it stay empty."""
    text = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    drawing = qr_svg(text)
    size = int(re.findall(r'viewBox="0 0 (\d+) ', drawing)[0])
    modules = [(int(x), int(y)) for x, y in re.findall(r"M(\d+),(\d+)H", drawing)]
    assert min(x for x, _ in modules) == QUIET_ZONE
    assert max(y for _, y in modules) == size - QUIET_ZONE - 1
    picture = Image.new("L", (size, size), 255)
    for place in modules:
        picture.putpixel(place, 0)
    read = zxingcpp.read_barcodes(picture.resize((size * 4, size * 4), Image.Resampling.NEAREST))
    assert [(code.text, code.ec_level) for code in read] == [(text, "M")]

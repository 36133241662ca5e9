"""The kiosk over HTTP: from the card to the ticket, and nothing of a person but the mask."""

from datetime import date, datetime, time, timedelta
from uuid import UUID

import httpx
import pytest

from app.kernel.actor import system
from app.outpatient.rules import at
from app.queueing.calling import call_next
from tests.make import identity, patients, visit
from tests.make.rows import value

SYSTEM = system("test")
DAY = date(2026, 3, 2)
KIOSK = "/api/kiosk/v1"
NAME, CARD = "欧阳娜娜", "440524188001010014"


class Lobby:
    """A kiosk, and a patient with a booked place today at 9:00."""

    def __init__(
        self, client: httpx.AsyncClient, token: str, appointment_id: UUID, place: visit.Clinic
    ) -> None:
        self.client = client
        self.token = token
        self.appointment_id = appointment_id
        self.place = place
        self.card = ""

    async def post(self, path: str, **body: object) -> httpx.Response:
        return await self.client.post(f"{KIOSK}{path}", json=body, headers=identity.bearer(self.token))

    async def identify(self) -> dict[str, object]:
        answer = await self.post("/identify", kind="id_card", value=self.card)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def lobby(client: httpx.AsyncClient) -> Lobby:
    await visit.set_clock(at(DAY, time(8)))
    place = await visit.clinic(fee_fen=0)
    made = await visit.session(place, held_on=DAY, starts=time(9), capacity=3)
    card = patients.id_number()
    person_id = await patients.person(name=NAME, number=card)
    appointment_id = await visit.booked(SYSTEM, made, person_id=person_id)
    lobby = Lobby(client, await identity.device_token(place_id=place.zone_id), appointment_id, place)
    lobby.card = card
    return lobby


async def test_from_the_card_to_the_ticket(lobby: Lobby) -> None:
    told = await lobby.identify()
    visitor = told["visitor"]
    assert isinstance(visitor, dict)
    assert (visitor["masked_name"], visitor["expires_in"]) == ("欧**娜", 90)
    visits = told["visits"]
    assert isinstance(visits, list)
    assert visits[0]["can_check_in"] is True
    assert "why_not" not in visits[0]
    answer = await lobby.post(
        "/check-ins", visitor_token=visitor["token"], appointment_id=str(lobby.appointment_id)
    )
    assert answer.status_code == 200, answer.text
    ticket = answer.json()
    assert set(ticket) == {
        "ticket_id", "number", "masked_name", "department", "doctor", "room", "zone",
        "people_ahead", "wait_minutes", "qr", "qr_svg",
    }  # fmt: skip
    assert (ticket["number"], ticket["masked_name"], ticket["people_ahead"]) == ("A001", "欧**娜", 0)
    assert (ticket["doctor"], ticket["department"], ticket["zone"]) == ("钟医生", "呼吸内科", "门诊三层B区")
    assert ticket["qr_svg"].startswith("<?xml") or "<svg" in ticket["qr_svg"]
    again = (await lobby.identify())["visits"]
    assert isinstance(again, list)
    assert again[0]["can_check_in"] is False
    assert again[0]["why_not"]["code"] == "checked_in"
    assert again[0]["ticket"]["number"] == "A001"


async def test_no_reply_holds_a_name_or_a_number(lobby: Lobby) -> None:
    first = await lobby.post("/identify", kind="id_card", value=lobby.card)
    token = first.json()["visitor"]["token"]
    second = await lobby.post("/check-ins", visitor_token=token, appointment_id=str(lobby.appointment_id))
    third = await lobby.client.get(f"{KIOSK}/me", headers=identity.bearer(lobby.token))
    for answer in (first, second, third):
        assert NAME not in answer.text
        assert lobby.card not in answer.text
        assert lobby.card[6:14] not in answer.text
    assert "欧**娜" in first.text  # the search above would have found what is there


async def test_a_called_patient_still_finds_his_ticket(lobby: Lobby) -> None:
    told = await lobby.identify()
    visitor = told["visitor"]
    assert isinstance(visitor, dict)
    await lobby.post("/check-ins", visitor_token=visitor["token"], appointment_id=str(lobby.appointment_id))
    await call_next(lobby.place.doctor, room_id=lobby.place.room_id)
    visits = (await lobby.identify())["visits"]
    assert isinstance(visits, list)
    ticket = visits[0]["ticket"]
    assert (ticket["people_ahead"], ticket["wait_minutes"]) == (0, None)


async def test_a_person_without_a_visit_today_is_greeted_and_has_none(lobby: Lobby) -> None:
    await visit.set_clock(at(DAY, time(8)) + timedelta(days=1))
    assert (await lobby.identify())["visits"] == []


async def test_the_unknown_and_the_wrong_kind_are_refused(lobby: Lobby) -> None:
    answer = await lobby.post("/identify", kind="id_card", value=CARD)
    assert (answer.status_code, answer.json()["code"]) == (404, "visitor_unknown")
    answer = await lobby.post("/identify", kind="face", value="x")
    assert answer.status_code == 400
    answer = await lobby.post("/identify", kind="id_card", value=CARD, more=1)
    assert answer.status_code == 400


async def test_a_foreign_token_checks_nobody_in(lobby: Lobby) -> None:
    answer = await lobby.post("/check-ins", visitor_token="guessed", appointment_id=str(lobby.appointment_id))
    assert (answer.status_code, answer.json()["code"]) == (401, "visitor_expired")
    assert await value("SELECT status FROM appointment WHERE id = $1", lobby.appointment_id) == "booked"


async def test_only_a_kiosk_identifies(lobby: Lobby) -> None:
    display = await identity.device_token(kind="hall_display", place_id=lobby.place.zone_id)
    for token in (display, await identity.account_token(), await identity.staff_token()):
        answer = await lobby.client.post(
            f"{KIOSK}/identify", json={"kind": "id_card", "value": CARD}, headers=identity.bearer(token)
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_role")


@pytest.mark.parametrize(
    ("kind", "stream"),
    [("kiosk", "zone:{}:queue"), ("hall_display", "zone:{}:queue"), ("window_display", None)],
)
async def test_a_device_learns_where_it_stands(lobby: Lobby, kind: str, stream: str | None) -> None:
    token = await identity.device_token(kind=kind, place_id=lobby.place.zone_id)
    answer = await lobby.client.get(f"{KIOSK}/me", headers=identity.bearer(token))
    told = answer.json()
    assert set(told) == {"device_id", "kind", "label", "place", "streams", "now"}
    assert abs(datetime.fromisoformat(told["now"]) - at(DAY, time(8))) < timedelta(minutes=1)
    assert told["place"] == {"kind": "zone", "id": str(lobby.place.zone_id), "name": "门诊大厅"}
    assert told["streams"] == ([] if stream is None else [stream.format(lobby.place.zone_id)])

"""The bed's terminal over HTTP: fees, deposit, call button, and nothing for anybody else."""

from typing import Any

import httpx
import pytest

from app.alerts.answering import accept_alert, handle_alert
from app.inpatient.admission import discharge_patient
from app.inpatient.daily import post_daily_charge
from app.inpatient.queries import stay_wristband
from tests.make import inpatient as make

API = "/api/bedside/v1"


class Terminal:
    """A terminal as its page talks to the hospital."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers
        self.keys = 0

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(API + path, headers=self.headers)

    async def post(self, path: str, key: str | None = None, **body: Any) -> httpx.Response:
        self.keys += 1
        headers = self.headers | {"Idempotency-Key": key or f"terminal-{self.keys:04d}"}
        return await self.client.post(API + path, headers=headers, json=body)

    async def unlock(self, stay: make.StayMade) -> httpx.Response:
        band = await stay_wristband(stay.nurse, admission_id=stay.admission_id)
        reply = await self.post("/unlock", wristband=band, id_last6=stay.id_number[-6:])
        if reply.status_code == 200:
            self.headers["Bedside-Session"] = reply.json()["session"]
        return reply


async def terminal_of(client: httpx.AsyncClient, stay: make.StayMade) -> Terminal:
    return Terminal(client, await make.bearer(stay.terminal, role="bedside"))


async def test_an_unlocked_terminal_shows_a_masked_name_and_todays_fees(
    db: str, client: httpx.AsyncClient
) -> None:
    stay = await make.stay(name="李小明")
    item_id = await make.item(name="静脉输液", kind="treatment", micro_yuan=12_500_000)
    await post_daily_charge(stay.nurse, admission_id=stay.admission_id, item_id=item_id)
    terminal = await terminal_of(client, stay)
    reply = await terminal.unlock(stay)
    assert reply.status_code == 200, reply.text
    assert (reply.json()["expires_in"], reply.json()["stay"]["masked_name"]) == (90, "李*明")
    fees = await terminal.get("/fees/today")
    deposit = await terminal.get("/deposit")
    session = await terminal.get("/session")
    assert [line["amount_fen"] for line in fees.json()["lines"]] == [1250]
    assert (fees.json()["total_fen"], fees.json()["stay_total_fen"]) == (1250, 1250)
    assert deposit.json()["available_fen"] == -1250
    assert session.json()["stay"] == reply.json()["stay"]
    for shown in (reply, fees, deposit, session):
        assert "李小明" not in shown.text
        assert stay.id_number not in shown.text


async def test_a_locked_terminal_shows_nothing(db: str, client: httpx.AsyncClient) -> None:
    stay = await make.stay()
    terminal = await terminal_of(client, stay)
    for path in ("/session", "/fees/today", "/deposit"):
        reply = await terminal.get(path)
        assert (reply.status_code, reply.json()["code"]) == (401, "bedside_locked")
    await terminal.unlock(stay)
    assert (await terminal.get("/deposit")).status_code == 200
    assert (await terminal.post("/lock")).json() == {"locked": True}
    assert (await terminal.get("/deposit")).json()["code"] == "bedside_locked"


async def test_discharge_closes_the_terminal_at_once(db: str, client: httpx.AsyncClient) -> None:
    stay = await make.stay()
    terminal = await terminal_of(client, stay)
    await terminal.unlock(stay)
    await discharge_patient(stay.nurse, admission_id=stay.admission_id)
    assert (await terminal.get("/fees/today")).json()["code"] == "bedside_locked"


@pytest.mark.parametrize(
    ("band", "digits", "code"),
    [("JYWB:WRONG", None, "wristband_unknown"), (None, "000000", "id_digits_wrong")],
    ids=["a strange band", "wrong digits"],
)
async def test_a_refusal_names_nobody(
    db: str, client: httpx.AsyncClient, band: str | None, digits: str | None, code: str
) -> None:
    stay = await make.stay(name="李小明")
    terminal = await terminal_of(client, stay)
    right = await stay_wristband(stay.nurse, admission_id=stay.admission_id)
    reply = await terminal.post("/unlock", wristband=band or right, id_last6=digits or stay.id_number[-6:])
    assert (reply.status_code, reply.json()["code"]) == (403, code)
    assert "李" not in reply.text
    assert str(stay.person_id) not in reply.text


async def test_after_five_vain_tries_the_terminal_pauses(db: str, client: httpx.AsyncClient) -> None:
    stay = await make.stay()
    terminal = await terminal_of(client, stay)
    for _ in range(5):
        await terminal.post("/unlock", wristband="JYWB:WRONG", id_last6="123456")
    reply = await terminal.unlock(stay)
    assert (reply.status_code, reply.json()["code"]) == (429, "bedside_paused")
    assert reply.headers["Retry-After"] == "300"


async def test_other_devices_and_people_are_no_terminals(db: str, client: httpx.AsyncClient) -> None:
    stay = await make.stay()
    kiosk = await make.device(kind="kiosk", place_kind="zone", place_id=stay.bed_id)
    for headers in (await make.bearer(stay.nurse, role="nurse"), await make.bearer(kiosk, role="kiosk")):
        reply = await client.get(f"{API}/session", headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (403, "wrong_role")


async def test_the_call_button_works_locked_and_is_one_call_while_it_is_open(
    db: str, client: httpx.AsyncClient
) -> None:
    stay = await make.stay()
    terminal = await terminal_of(client, stay)
    first = await terminal.post("/nurse-calls")
    assert (first.status_code, first.json()["status"]) == (201, "raised")
    alert_id = first.json()["alert_id"]
    staff = await make.bearer(stay.nurse, role="nurse")
    state = await client.get(f"/api/staff/v1/wards/{stay.ward.id}/alerts", headers=staff)
    assert [(a["alert_id"], a["bed"], a["words"], a["target"]) for a in state.json()["alerts"]] == [
        (alert_id, "01", "呼叫护士", "assigned")
    ]
    await accept_alert(stay.nurse, alert_id=first.json()["alert_id"])
    again = await terminal.post("/nurse-calls")
    assert (again.json()["alert_id"], again.json()["status"]) == (alert_id, "accepted")
    assert "护士已收到" in again.json()["words"]
    await handle_alert(stay.nurse, alert_id=alert_id)
    assert (await terminal.post("/nurse-calls")).json()["alert_id"] != alert_id


async def test_an_empty_beds_button_calls_too(db: str, client: httpx.AsyncClient) -> None:
    ward = await make.new_ward()
    bed_id = await make.bed(ward, label="09")
    headers = await make.bearer(await make.device(place_id=bed_id), role="bedside")
    terminal = Terminal(client, headers)
    first, second = await terminal.post("/nurse-calls"), await terminal.post("/nurse-calls")
    assert first.status_code == 201
    assert first.json()["alert_id"] == second.json()["alert_id"]


@pytest.mark.parametrize("amount_fen", [0, 5_000_001], ids=str)
async def test_a_top_up_has_bounds(db: str, client: httpx.AsyncClient, amount_fen: int) -> None:
    stay = await make.stay()
    terminal = await terminal_of(client, stay)
    await terminal.unlock(stay)
    reply = await terminal.post("/deposit/top-ups", amount_fen=amount_fen, channel="wechat_native")
    assert (reply.status_code, reply.json()["code"]) == (400, "malformed")

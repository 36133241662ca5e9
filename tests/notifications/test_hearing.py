"""What boards, stations, terminals and phones are told of real facts; and what no frame may hold."""

import asyncio
import json
from uuid import UUID

import msgspec
import pytest

from app.alerts.answering import accept_alert, handle_alert
from app.alerts.queries import ward_alert_state
from app.alerts.raising import raise_alert
from app.alerts.tables import AlertKind, AlertLevel
from app.billing.events import BillPaid
from app.billing.tables import BillKind
from app.inpatient.admission import change_bed, discharge_patient
from app.inpatient.daily import post_daily_charge
from app.kernel.actor import Actor
from app.kernel.database import action
from app.kernel.events import Lane, Subscription, emit
from app.kernel.ids import new_id
from app.kernel.relay import Relay
from app.queueing.calling import call_next, call_next_at_window, recall, start_ticket
from app.queueing.joining import join_queue
from app.queueing.queues import window_queue
from app.subscriptions import SUBSCRIPTIONS
from notifications.limits import LIMITS
from notifications.streams import bedside, room_queue, ward_alerts, zone_queue
from notifications.streams import window_queue as window_stream
from tests.make import identity, inpatient, organization, patients, visit
from tests.make.rows import value
from tests.notifications.conftest import TEST, Hospital, served

pytestmark = pytest.mark.commits

OURS: list[Subscription] = [s for s in SUBSCRIPTIONS if s.name.startswith("notifications.")]
NAMES = ("欧阳娜娜", "李小明", "王小芳")


async def relay_all() -> None:
    relay = Relay(OURS)
    while sum([await relay.turn(lane) for lane in Lane]):
        pass
    assert await value("SELECT count(*) FROM delivery WHERE status <> 'done'") == 0


async def token_of(actor: Actor, *, role: str | None = None) -> str:
    return (await inpatient.bearer(actor, role=role))["Authorization"].partition(" ")[2]


async def test_a_call_is_spoken_in_the_hall_and_shown_at_the_desk(hospital: Hospital) -> None:
    place = await visit.clinic()
    for name in NAMES[:2]:
        await visit.ticket(place, name=name)
    hall = await hospital.connected(
        await identity.device_token(kind="hall_display", place_id=place.zone_id), zone_queue(place.zone_id)
    )
    desk = await hospital.connected(
        await identity.staff_token(staff_id=place.staff_id), room_queue(place.room_id), client_id="desk"
    )
    await hall.has("snap")
    await desk.has("snap")
    ticket = await call_next(place.doctor, room_id=place.room_id)
    await relay_all()
    await hall.until(lambda: any("call" in e["d"] for e in hall.events))
    await desk.until(lambda: bool(desk.events))
    told = next(e for e in hall.events if "call" in e["d"])
    assert (told["type"], told["prio"], told["ttl"]) == ("queue.changed", 1, 60)
    assert set(told["d"]["call"]) == {"call_id", "repeat_no", "number", "masked_name", "room", "ttl_s"}
    assert told["d"]["call"]["masked_name"] == "欧**娜"
    assert desk.events[-1]["d"]["state"]["current"][0]["ticket_id"] == str(ticket)
    await recall(place.doctor, ticket_id=ticket)
    await relay_all()
    await hall.until(lambda: [e["d"]["call"]["repeat_no"] for e in hall.events if "call" in e["d"]] == [1, 2])
    frames = json.dumps(hall.frames + desk.frames, ensure_ascii=False)
    assert "欧**娜" in frames
    assert not [name for name in NAMES if name in frames]


async def test_a_call_that_is_over_when_it_is_told_is_not_spoken(hospital: Hospital) -> None:
    place = await visit.clinic()
    await visit.ticket(place)
    hall = await hospital.connected(
        await identity.device_token(kind="hall_display", place_id=place.zone_id), zone_queue(place.zone_id)
    )
    await hall.has("snap")
    ticket = await call_next(place.doctor, room_id=place.room_id)
    await start_ticket(place.doctor, ticket_id=ticket)
    await relay_all()
    await hall.until(lambda: len(hall.events) >= 2)
    assert not [e for e in hall.events if "call" in e["d"]]


async def test_a_window_calls_by_masked_name_and_the_phone_rings(hospital: Hospital) -> None:
    account = await identity.account_actor()
    person_id = await patients.bound_person(account, name="王小芳")
    window_id = await organization.window()
    queue_id = await window_queue(TEST, window_id=window_id)
    await join_queue(
        TEST, queue_id=queue_id, person_id=person_id, subject_kind="prescription", subject_id=new_id()
    )
    board = await hospital.connected(
        await identity.device_token(kind="window_display", place_id=window_id), window_stream(window_id)
    )
    phone = await hospital.connected(
        await identity.account_token(account.id), f"account:{account.id}:inbox", client_id="phone"
    )
    await board.has("snap")
    await phone.has("snap")
    await call_next_at_window(await a_pharmacist(), window_id=window_id)
    await relay_all()
    await board.until(lambda: any("call" in e["d"] for e in board.events))
    await phone.until(lambda: bool(phone.events))
    assert phone.events[-1]["type"] == "ticket.called"
    assert set(phone.events[-1]["d"]) == {"message_id", "person_id", "ref_id"}
    for id_text in phone.events[-1]["d"].values():
        UUID(id_text)
    frames = json.dumps(board.frames + phone.frames, ensure_ascii=False)
    assert not [name for name in NAMES if name in frames]


async def a_pharmacist() -> Actor:
    return identity.staff_actor(await organization.staff(role="pharmacist"))


async def a_call(ward_id: UUID) -> UUID:
    return await raise_alert(
        TEST, kind=AlertKind.NURSE_CALL, level=AlertLevel.NORMAL, ward_id=ward_id, text="呼叫护士"
    )


async def status_of(alert_id: UUID) -> tuple[str, int]:
    status = await value("SELECT status FROM alert WHERE id = $1", alert_id)
    return status, await value("SELECT escalations FROM alert WHERE id = $1", alert_id)


async def test_a_stations_acknowledgement_is_the_proof_of_arrival(hospital: Hospital) -> None:
    stay = await inpatient.stay(name="李小明")
    station = await inpatient.device(kind="nurse_station", place_kind="ward", place_id=stay.ward.id)
    stream = ward_alerts(stay.ward.id)
    client = await hospital.connected(await token_of(station), stream, acks=False)
    await client.has("snap")
    alert_id = await a_call(stay.ward.id)
    await relay_all()
    await client.until(lambda: bool(client.events))
    event = client.events[-1]
    assert (event["type"], event["prio"]) == ("alert.raised", 0)
    assert event["d"]["state"]["alerts"][0]["alert_id"] == event["d"]["alert_id"] == str(alert_id)
    assert await status_of(alert_id) == ("raised", 0)  # sent is not arrived; and somebody listens
    await client.say({"t": "ack", "s": stream, "q": event["q"]})
    await becomes(alert_id, "delivered")
    await accept_alert(stay.nurse, alert_id=alert_id)
    await handle_alert(stay.nurse, alert_id=alert_id)
    await relay_all()
    await client.until(lambda: client.events[-1]["type"] == "alert.handled")
    assert [e["type"] for e in client.events] == ["alert.raised", "alert.accepted", "alert.handled"]
    assert client.events[-1]["d"]["state"]["alerts"] == []
    assert "李小明" not in json.dumps(client.frames, ensure_ascii=False)


async def becomes(alert_id: UUID, status: str) -> None:
    for _ in range(50):
        if (await status_of(alert_id))[0] == status:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(await status_of(alert_id))


async def test_a_station_that_comes_late_proves_by_the_snapshot(hospital: Hospital) -> None:
    ward = await inpatient.new_ward()
    station = await inpatient.device(kind="nurse_station", place_kind="ward", place_id=ward.id)
    alert_id = await a_call(ward.id)
    await hospital.connected(await token_of(station), ward_alerts(ward.id))
    await becomes(alert_id, "delivered")


async def test_an_alert_that_nobody_can_hear_climbs_at_once(hospital: Hospital) -> None:
    ward = await inpatient.new_ward()
    station = await inpatient.device(kind="nurse_station", place_kind="ward", place_id=ward.id)
    alone = await a_call(ward.id)
    await relay_all()
    climbed = await status_of(alone)
    assert climbed[0] == "raised"
    assert climbed[1] >= 1
    client = await hospital.connected(await token_of(station), ward_alerts(ward.id))
    await client.has("snap")
    await asyncio.sleep(0.2)  # presence is written at once, not at the next round
    heard = await a_call(ward.id)
    await relay_all()
    assert (await status_of(heard))[1] == 0
    await client.leave()
    await asyncio.sleep(0.3)
    again = await a_call(ward.id)
    await relay_all()
    assert (await status_of(again))[1] >= 1


async def test_a_silent_station_is_not_present(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.session.PRESENT_SECONDS", 0.3)
    async with served(msgspec.structs.replace(LIMITS, presence_s=0.1)) as hospital:
        ward = await inpatient.new_ward()
        station = await inpatient.device(kind="nurse_station", place_kind="ward", place_id=ward.id)
        client = await hospital.connected(await token_of(station), ward_alerts(ward.id))
        await client.has("snap")
        await asyncio.sleep(0.6)
        seen = await value("SELECT at FROM rt_cursor WHERE stream = $1", ward_alerts(ward.id))
        await asyncio.sleep(0.3)
        assert seen == await value("SELECT at FROM rt_cursor WHERE stream = $1", ward_alerts(ward.id))


async def test_two_clients_of_one_name_do_not_stop_the_presence_of_all(hospital: Hospital) -> None:
    ward = await inpatient.new_ward()
    for _ in range(2):
        station = await inpatient.device(kind="nurse_station", place_kind="ward", place_id=ward.id)
        client = await hospital.connected(await token_of(station), ward_alerts(ward.id), client_id="same")
        await client.has("snap")
    await asyncio.sleep(0.3)
    assert await value("SELECT count(*) FROM rt_cursor WHERE stream = $1", ward_alerts(ward.id)) == 1


async def test_a_bedside_terminal_hears_charges_payments_and_the_end(hospital: Hospital) -> None:
    stay = await inpatient.stay(name="李小明")
    other_bed = await inpatient.bed(stay.ward, label="02")
    assert stay.terminal.id is not None
    client = await hospital.connected(await token_of(stay.terminal), bedside(stay.terminal.id))
    await client.has("snap")
    treatment = await inpatient.item(name="静脉输液", kind="treatment")
    await post_daily_charge(stay.nurse, admission_id=stay.admission_id, item_id=treatment)
    await a_paid_deposit(stay.person_id, stay.encounter_id)
    await relay_all()
    await client.until(lambda: len(client.events) >= 2)
    assert {e["type"] for e in client.events} == {"admission.charged", "bill.paid"}
    await change_bed(stay.nurse, admission_id=stay.admission_id, bed_id=other_bed)
    await relay_all()
    await client.until(lambda: len(client.events) >= 3)
    assert client.events[-1]["type"] == "admission.moved"
    await post_daily_charge(stay.nurse, admission_id=stay.admission_id, item_id=treatment)
    await discharge_patient(stay.nurse, admission_id=stay.admission_id)
    await relay_all()
    await asyncio.sleep(0.6)
    assert len(client.events) == 3, "what happens in the next bed is not told here"
    assert all(e["d"] == {} for e in client.events)


@action
async def tell(actor: Actor, fact: msgspec.Struct) -> None:
    await emit(actor, fact)


async def a_paid_deposit(person_id: UUID, encounter_id: UUID) -> None:
    await tell(
        TEST,
        BillPaid(
            bill_id=new_id(),
            subject_kind="stay",
            subject_id=encounter_id,
            person_id=person_id,
            encounter_id=encounter_id,
            kind=BillKind.DEPOSIT,
            amount_fen=100_00,
        ),
    )


async def test_the_wards_state_has_no_name_of_a_patient(db: str) -> None:
    stay = await inpatient.stay(name="李小明")
    await a_call(stay.ward.id)
    state = msgspec.json.encode(await ward_alert_state(TEST, ward_id=stay.ward.id)).decode()
    assert "呼叫护士" in state
    assert "李小明" not in state

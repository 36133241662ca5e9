"""On no socket does a name, an ID number or a phone number travel, whoever listens: whole lines recorded."""

import json
from uuid import UUID

import msgspec
import pytest

from app.alerts.raising import raise_alert
from app.alerts.tables import AlertKind, AlertLevel
from app.inpatient.daily import post_daily_charge
from app.kernel.actor import Actor
from app.kernel.events import Lane
from app.kernel.ids import new_id
from app.kernel.relay import Relay
from app.queueing.calling import call_next, call_next_at_window, recall
from app.queueing.joining import join_queue
from app.queueing.queues import department_queue, window_queue
from app.subscriptions import SUBSCRIPTIONS
from notifications.push import push
from notifications.streams import account_inbox, bedside, room_queue, ward_alerts, zone_queue
from notifications.streams import window_queue as window_stream
from tests.leaks import Secrets
from tests.make import identity, inpatient, organization, patients, visit
from tests.make.rows import value
from tests.notifications.client import Client
from tests.notifications.conftest import TEST, Hospital

pytestmark = pytest.mark.commits

NAMES = ("欧阳娜娜", "李小明", "阿卜杜拉·买买提")
PHONES = ("13812345678", "13912345678", "13712345678")


class Scene(msgspec.Struct, frozen=True):
    """Patients in a hall, at a window and in a bed; everybody who may listen does."""

    secrets: Secrets
    clients: dict[str, Client]


async def play(hospital: Hospital) -> Scene:
    """Everybody connects; then patients wait and are called in two places, and one in a bed calls a nurse."""
    cards = [patients.id_number() for _ in NAMES]
    account = await identity.account_actor()
    stay = await inpatient.stay(name="王小芳")
    place, window = await visit.clinic(), await organization.window()
    secrets = Secrets((*NAMES, "阿卜杜拉", "买买提", "王小芳", *PHONES, *cards, stay.id_number))
    scene = Scene(secrets, await listeners(hospital, account, place, window, stay))
    first, *others = zip(NAMES, cards, PHONES, strict=True)
    persons = [await patients.bound_person(account, name=first[0], number=first[1], phone=first[2])]
    persons += [await patients.person(name=n, number=card, phone=phone) for n, card, phone in others]
    hall = await department_queue(TEST, department_id=place.department_id)
    for queue in (hall, await window_queue(TEST, window_id=window)):
        for person in persons:
            await join_queue(
                TEST, queue_id=queue, person_id=person, subject_kind="appointment", subject_id=new_id()
            )
    ticket = await call_next(place.doctor, room_id=place.room_id)
    await recall(place.doctor, ticket_id=ticket)
    pharmacist = identity.staff_actor(await organization.staff(role="pharmacist"))
    await call_next_at_window(pharmacist, window_id=window)
    await raise_alert(
        TEST, kind=AlertKind.NURSE_CALL, level=AlertLevel.NORMAL, ward_id=stay.ward.id, text="呼叫护士"
    )
    treatment = await inpatient.item(kind="treatment")
    await post_daily_charge(stay.nurse, admission_id=stay.admission_id, item_id=treatment)
    await relay_all()
    return scene


async def listeners(
    hospital: Hospital, account: Actor, place: visit.Clinic, window: UUID, stay: inpatient.StayMade
) -> dict[str, Client]:
    """Everybody who may hear of these patients, connected."""
    assert account.id is not None
    assert stay.terminal.id is not None
    zone, ward = zone_queue(place.zone_id), ward_alerts(stay.ward.id)
    listening = {
        "hall": (await device_token("hall_display", "zone", place.zone_id), zone),
        "kiosk": (await device_token("kiosk", "zone", place.zone_id), zone),
        "window": (await device_token("window_display", "window", window), window_stream(window)),
        "station": (await device_token("nurse_station", "ward", stay.ward.id), ward),
        "desk": (await identity.staff_token(staff_id=place.staff_id), room_queue(place.room_id)),
        "nurse": (await token_of(stay.nurse, role="nurse"), ward),
        "phone": (await identity.account_token(account.id), account_inbox(account.id)),
        "terminal": (await token_of(stay.terminal, role="bedside"), bedside(stay.terminal.id)),
    }
    clients: dict[str, Client] = {}
    for who, (token, stream) in listening.items():
        clients[who] = await hospital.connected(token, stream, client_id=who)
        await clients[who].has("snap")
    return clients


async def device_token(kind: str, place_kind: str, place_id: UUID) -> str:
    return await token_of(
        await inpatient.device(kind=kind, place_kind=place_kind, place_id=place_id), role=kind
    )


async def token_of(actor: Actor, *, role: str) -> str:
    return (await inpatient.bearer(actor, role=role))["Authorization"].partition(" ")[2]


async def relay_all() -> None:
    relay = Relay([s for s in SUBSCRIPTIONS if s.name.startswith("notifications.")])
    while sum([await relay.turn(lane) for lane in Lane]):
        pass


async def test_no_frame_of_a_busy_hour_tells_who_somebody_is(hospital: Hospital) -> None:
    scene = await play(hospital)
    for who, client in scene.clients.items():
        await client.until(lambda client=client: bool(client.events))
        assert scene.secrets.found_in(client.frames) == [], who
    boards = json.dumps([scene.clients[who].frames for who in ("hall", "window")], ensure_ascii=False)
    assert {"欧**娜", "李*明", "阿******提"} <= set(boards.split('"')), "masked names are shown"
    kept = await value("SELECT coalesce(string_agg(d::text, ''), '') FROM rt_event")
    assert "欧**娜" in kept
    assert scene.secrets.found_in(kept) == [], "nor does the ledger of the streams"


@pytest.mark.plants
async def test_control_a_planted_leak_is_found_on_every_socket(hospital: Hospital) -> None:
    scene = await play(hospital)
    for client in scene.clients.values():
        for secret in scene.secrets.texts:
            await push(TEST, stream=client.streams[0], type="test.leak", data={"said": f"请{secret}就诊"})
    for who, client in scene.clients.items():
        await client.until(
            lambda client=client: set(scene.secrets.found_in(client.frames)) == set(scene.secrets.texts)
        )
        assert scene.secrets.found_in(client.frames), who

"""Who is let in, to which streams, and how everybody else is sent away."""

import asyncio
from uuid import UUID

import msgspec
import pytest
import websockets

from app.identity.devices import move_device
from app.identity.roles import PlaceKind
from app.identity.sessions import end_session
from app.kernel import clock
from app.kernel.actor import Actor, ActorKind
from app.kernel.crypto import sign_token
from app.kernel.ids import new_id
from notifications import tickets
from notifications.limits import LIMITS
from notifications.streams import account_inbox, bedside, room_queue, ward_alerts, window_queue, zone_queue
from tests.make import identity, inpatient, organization, visit
from tests.make.rows import value
from tests.notifications.client import Client
from tests.notifications.conftest import TEST, Hospital, served, tell

pytestmark = pytest.mark.commits

QUICK = msgspec.structs.replace(LIMITS, heartbeat_s=0.15, jitter_s=0.0, hello_s=0.3)


async def test_a_ticket_lets_in_once(hospital: Hospital) -> None:
    account_id = await identity.account()
    ticket = await hospital.ticket(await identity.account_token(account_id))
    first = hospital.client(account_inbox(account_id))
    await first.connect(ticket)
    welcome = await first.has("welcome")
    assert welcome["hb"] == 15
    assert [(s["s"], s["head"], s["mode"]) for s in welcome["streams"]] == [
        (account_inbox(account_id), 0, "snapshot")
    ]
    second = hospital.client(account_inbox(account_id), client_id="thief")
    await second.connect(ticket)
    assert await second.closed() == 4001
    assert first.close_code is None


async def test_a_ticket_of_thirty_seconds_ago_is_refused(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    account_id = await identity.account()
    token = await identity.account_token(account_id)
    monkeypatch.setattr(tickets, "TICKET_SECONDS", 0)
    old = tickets.issue_ticket(actor_of(account_id), token_exp=clock.wall())
    client = hospital.client(account_inbox(account_id))
    await client.connect(old.ticket)
    assert await client.closed() == 4001
    monkeypatch.undo()
    assert (await (await hospital.connected(token, account_inbox(account_id))).has("welcome"))["t"]


def actor_of(account_id: UUID) -> Actor:
    return Actor(kind=ActorKind.ACCOUNT, id=account_id, session_id=new_id())


async def test_a_text_signed_for_something_else_is_no_ticket(hospital: Hospital) -> None:
    account_id = await identity.account()
    ticket = await hospital.ticket(await identity.account_token(account_id))
    payload = tickets.open_token(ticket, purpose=tickets.PURPOSE)
    assert payload is not None
    client = hospital.client(account_inbox(account_id))
    await client.connect(sign_token(payload, purpose="visit-report"))
    assert await client.closed() == 4001
    await client.connect("")
    assert await client.closed() == 4001


async def test_a_ticket_needs_a_login(hospital: Hospital) -> None:
    assert (await hospital.http.post("/rt/tickets")).status_code == 401


async def test_a_page_of_another_site_is_refused_before_the_upgrade(hospital: Hospital) -> None:
    with pytest.raises(websockets.InvalidStatus) as refusal:
        await websockets.connect(hospital.url, origin=websockets.Origin("https://evil.example"))
    assert refusal.value.response.status_code == 403
    own = await websockets.connect(hospital.url, origin=websockets.Origin(hospital.base))
    await own.close()


async def test_who_does_not_say_hello_is_sent_away(database_url: str) -> None:
    async with served(QUICK) as hospital:
        silent = await websockets.connect(hospital.url)
        await asyncio.wait_for(silent.wait_closed(), 3)
        assert silent.close_code == 4001


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        '{"t":"ack","s":"a","q":1}',
        '{"t":"hello","v":"hosp.rt.v0","ticket":"x","client_id":"c","boot_id":"b","streams":[]}',
        '{"t":"hello","v":"hosp.rt.v1","ticket":"x","client_id":"c\\u0000","boot_id":"b","streams":[]}',
        '{"t":"hello","v":"hosp.rt.v1","ticket":"x","client_id":"","boot_id":"b","streams":[]}',
        '{"t":"dance"}',
        b"\x00\x01",
    ],
    ids=["text", "ack first", "other version", "zero in the name", "no name", "unknown kind", "bytes"],
)
async def test_a_malformed_greeting_closes_4400(hospital: Hospital, text: str | bytes) -> None:
    socket = await websockets.connect(hospital.url)
    await socket.send(text)
    await asyncio.wait_for(socket.wait_closed(), 3)
    assert socket.close_code == 4400


async def test_a_malformed_frame_later_closes_4400(hospital: Hospital) -> None:
    for text in ('{"t":"ack"}', '{"t":"ack","s":"zone:x:queue","q":1}'):
        client, _, _ = await hospital.phone()
        await client.say(text)
        assert await client.closed() == 4400


async def test_streams_of_strangers_are_refused(hospital: Hospital) -> None:
    place = await visit.clinic()
    ward, other_ward = await inpatient.new_ward(), await inpatient.new_ward()
    account = await identity.account_token()
    display = await identity.device_token(kind="hall_display", place_id=place.zone_id)
    station = (await inpatient.bearer(
        await inpatient.device(kind="nurse_station", place_kind="ward", place_id=ward.id)
    ))["Authorization"].partition(" ")[2]  # fmt: skip
    for token, stream in [
        (account, account_inbox(await identity.account())),
        (account, zone_queue(place.zone_id)),
        (account, ward_alerts(ward.id)),
        (display, zone_queue((await visit.clinic()).zone_id)),
        (display, room_queue(place.room_id)),
        (display, window_queue(new_id())),
        (display, bedside(new_id())),
        (station, ward_alerts(other_ward.id)),
        (station, account_inbox(new_id())),
        (account, "zone:not-an-id:queue"),
        (account, "nothing"),
        (display, f"zone:{str(place.zone_id).upper()}:queue"),
    ]:
        client = await hospital.connected(token, stream)
        assert await client.closed() == 4003, stream
        assert not client.frames
    for token, stream in [(display, zone_queue(place.zone_id)), (station, ward_alerts(ward.id))]:
        assert (await (await hospital.connected(token, stream)).has("snap"))["q"] == 0


async def test_staff_listening_to_a_place_that_is_not_are_sent_away(hospital: Hospital) -> None:
    client = await hospital.connected(await identity.staff_token(), zone_queue(new_id()))
    assert await client.closed() == 4003


async def test_an_ended_login_closes_the_socket_at_the_next_heartbeat(database_url: str) -> None:
    async with served(QUICK) as hospital:
        mine, _, _ = await hospital.phone()
        other, stream, _ = await hospital.phone(client_id="other")
        await mine.has("ping", 2)
        session_id = await value(
            "SELECT id FROM login_session WHERE actor_id = $1", UUID(stream.split(":")[1])
        )
        await end_session(TEST, session_id=session_id)
        assert await other.closed(2) == 4001
        assert mine.close_code is None


async def test_the_login_can_be_renewed_and_ends_the_socket_otherwise(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(QUICK) as hospital:
        kept, stream, token = await hospital.phone()
        lost, _, _ = await hospital.phone(client_id="lost")
        renewal, stolen = await hospital.ticket(token), await hospital.ticket(await identity.account_token())
        late = tickets.clock.wall()
        await kept.say({"t": "reauth", "ticket": renewal})
        await lost.say({"t": "reauth", "ticket": stolen})
        assert await lost.closed() == 4001
        await tell(stream)
        await kept.until(lambda: kept.numbers() == [1])
        monkeypatch.setattr("notifications.session.clock.wall", lambda: late.replace(year=late.year + 1))
        assert await kept.closed() == 4001


async def test_a_newer_connection_of_a_client_replaces_the_older(hospital: Hospital) -> None:
    older, stream, token = await hospital.phone()
    newer = await hospital.connected(token, stream)
    assert await older.closed() == 4009
    await newer.has("snap")
    await tell(stream)
    await newer.until(lambda: newer.numbers() == [1])
    await hospital.connected(token, stream, client_id="tablet")
    assert newer.close_code is None


async def test_more_sockets_than_the_limit_are_told_so(database_url: str) -> None:
    async with served(msgspec.structs.replace(LIMITS, sockets_max=1)) as hospital:
        await hospital.phone()
        full = await websockets.connect(hospital.url)
        await asyncio.wait_for(full.wait_closed(), 3)
        assert full.close_code == 4029


async def test_a_moved_device_hears_nothing_more(database_url: str) -> None:
    async with served(QUICK) as hospital:
        display, device_id = await live_display(hospital)
        await move(device_id)
        assert await display.closed() == 4001


async def test_a_moved_device_does_not_carry_its_old_streams_into_a_new_login(hospital: Hospital) -> None:
    display, device_id = await live_display(hospital)
    await move(device_id)
    renewed = await identity.token(
        ActorKind.DEVICE, device_id, channel="hall_display", role="hall_display", auth_version=2
    )
    await display.say({"t": "reauth", "ticket": await hospital.ticket(renewed)})
    assert await display.closed() == 4003


async def live_display(hospital: Hospital) -> tuple[Client, UUID]:
    zone_id = await organization.zone()
    device_id, _ = await identity.device(kind="hall_display", place_id=zone_id)
    token = await identity.token(ActorKind.DEVICE, device_id, channel="hall_display", role="hall_display")
    display = await hospital.connected(token, zone_queue(zone_id))
    await display.has("snap")
    return display, device_id


async def move(device_id: UUID) -> None:
    await move_device(
        TEST,
        device_id=device_id,
        place_kind=PlaceKind.ZONE,
        place_id=await organization.zone(),
        place_name="二层",
    )

"""In the lobby and the hall: masked names only, and a line that one ticket opens once."""

import re
import uuid
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from app.demo.callers import Caller, Refused
from app.demo.day import KIOSK, Day
from tests.visitors import Visitor, arrive, book

ID_NUMBER = re.compile(r"\d{17}[\dX]")
AUTH_REFUSED = 4001
CALLS_MAX = 20


async def test_a_kiosk_never_shows_a_full_name(day: Day) -> None:
    visitor, appointment, _ = await book(day)
    card = [card for card in day.credentials["devices"] if card["kind"] == "kiosk"][1]
    kiosk = await day.device(card, KIOSK)
    code = (await visitor.phone.get(f"/appointments/{appointment['id']}"))["booking_code"]

    by_card = await kiosk.post("/identify", {"kind": "id_card", "value": visitor.id_number})
    by_code = await kiosk.post("/identify", {"kind": "booking_code", "value": code.lower()})
    body = {"visitor_token": by_code["visitor"]["token"], "appointment_id": appointment["id"]}
    ticket = await kiosk.post("/check-ins", body)
    again = await kiosk.post("/identify", {"kind": "id_card", "value": visitor.id_number})

    masked = visitor.name[0] + "*" + visitor.name[2:]
    for told in (by_card, by_code, ticket, again):
        assert masked in str(told)
        assert_private(visitor, str(told))


def assert_private(visitor: Visitor, text: str) -> None:
    assert visitor.name not in text
    assert not ID_NUMBER.search(text)


async def test_no_frame_of_the_hall_holds_a_full_name(day: Day) -> None:
    visitor, appointment, place = await book(day)
    hall = day.device_card("hall_display", name=appointment["zone"])
    line = await day.listen(await day.device(hall, KIOSK), f"zone:{hall['place']['id']}:queue")
    ticket = await arrive(day, visitor, appointment, kiosk=1)
    await line.hear("queue.changed", lambda d: ticket["number"] in str(d["state"]["waiting"]))

    doctor = await day.staff("doctor", staff_id=place.session["doctor_id"])
    await call_until(doctor, appointment["room_id"], ticket["ticket_id"])
    _, shown = await line.hear("queue.changed", lambda d: d.get("call", {}).get("number") == ticket["number"])

    frames = str([frame for _, frame in line.heard]) + str(line.states)
    assert shown["call"]["masked_name"] in frames
    assert_private(visitor, frames)


async def call_until(doctor: Caller, room_id: str, ticket_id: str) -> None:
    """Whoever else waits there from an earlier story is passed over."""
    for _ in range(CALLS_MAX):
        try:
            called = (await doctor.post(f"/rooms/{room_id}/call-next"))["ticket"]["ticket_id"]
        except Refused as refused:
            called = refused.problem["ids"]["ticket_id"]
        if called == ticket_id:
            return
        await doctor.post(f"/tickets/{called}/miss")
    raise AssertionError(f"not called within {CALLS_MAX} calls")


async def test_a_ticket_opens_the_line_once(day: Day) -> None:
    hall = day.device_card("hall_display")
    display = await day.device(hall, KIOSK)
    ticket = (await display.post("/rt/tickets"))["ticket"]
    stream = f"zone:{hall['place']['id']}:queue"
    address = day.url.replace("http", "ws", 1) + "/rt"

    async with connect(address) as first, connect(address) as second:
        assert (await greeted(first, ticket, stream))["t"] == "welcome"
        assert await closed_with(second, ticket, stream) == AUTH_REFUSED
    async with connect(address) as third:
        assert await closed_with(third, ticket[:-4] + "AAAA", stream) == AUTH_REFUSED


async def test_a_display_of_one_zone_hears_no_other(day: Day) -> None:
    here, there = [card for card in day.credentials["devices"] if card["kind"] == "hall_display"][:2]
    display = await day.device(here, KIOSK)
    ticket = (await display.post("/rt/tickets"))["ticket"]

    async with connect(day.url.replace("http", "ws", 1) + "/rt") as socket:
        assert await closed_with(socket, ticket, f"zone:{there['place']['id']}:queue") == 4003


async def greeted(socket: ClientConnection, ticket: str, stream: str) -> dict[str, Any]:
    hello = {
        "t": "hello",
        "v": "hosp.rt.v1",
        "ticket": ticket,
        "client_id": uuid.uuid4().hex,
        "boot_id": uuid.uuid4().hex,
        "streams": [{"s": stream}],
        "window": 8,
    }
    await socket.send(msgspec.json.encode(hello).decode())
    return msgspec.json.decode(await socket.recv())


async def closed_with(socket: ClientConnection, ticket: str, stream: str) -> int | None:
    try:
        await greeted(socket, ticket, stream)
        await socket.recv()
    except ConnectionClosed as closed:
        return None if closed.rcvd is None else closed.rcvd.code
    return None

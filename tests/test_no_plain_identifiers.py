"""No display, kiosk, terminal or stranger is ever told a full name, a number of a person or an address.

Every GET route is asked by everybody who is not the patient's own phone and not staff, about patients that
they are standing next to; and so are the few writes by which kiosks and bedside terminals show somebody.
"""

from datetime import date, time
from uuid import UUID

import httpx
import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler

from app.identity.roles import ADMIN_ROLES, StaffRole
from app.inpatient.queries import stay_wristband
from app.kernel.actor import ActorKind, system
from app.kernel.ids import new_id
from app.main import app
from app.outpatient.arrival import check_in
from app.outpatient.rules import at
from app.queueing.calling import call_next, call_next_at_window
from app.queueing.joining import join_queue
from app.queueing.queues import window_queue
from tests.leaks import Secrets
from tests.make import identity, inpatient, organization, patients, visit
from tests.make.rows import value

TEST = system("test")
DAY = date(2026, 3, 2)
NAMES = ("欧阳娜娜", "李小明", "阿卜杜拉·买买提")
PHONES = ("13812345678", "13912345678", "13712345678")
DOORS = ("建国路88号3单元", "文三路1号7幢", "玉山镇人民路9号")
ADDRESSES = tuple(f"浙江省杭州市西湖区{door}" for door in DOORS)
UNMASKING = {StaffRole.REGISTRAR, StaffRole.CASHIER, StaffRole.DOCTOR, StaffRole.NURSE}
ROUTES_MIN = 50


class World(msgspec.Struct, frozen=True, kw_only=True):
    """A hospital with patients everywhere: in a hall, at a window, in a bed; and who stands around."""

    client: httpx.AsyncClient
    secrets: Secrets
    numbers: Secrets  # those of them that nobody reads by default
    ids: dict[str, str]
    outsiders: dict[str, dict[str, str]]  # who -> the headers of their requests
    owner: dict[str, str]
    doctor: dict[str, str]
    told: list[tuple[str, str]]  # what the writes of kiosk and terminal replied: where, and the body


async def device(kind: str, place_kind: str, place_id: UUID) -> dict[str, str]:
    device_id, _ = await identity.device(kind=kind, place_kind=place_kind, place_id=place_id)
    return identity.bearer(await identity.token(ActorKind.DEVICE, device_id, channel=kind, role=kind))


def about(at: int, cards: list[str]) -> dict[str, str]:
    return {"name": NAMES[at], "number": cards[at], "phone": PHONES[at], "address": ADDRESSES[at]}


@pytest.fixture
async def world(client: httpx.AsyncClient) -> World:
    await visit.set_clock(at(DAY, time(8)))
    account = await identity.account_actor()
    cards = [patients.id_number() for _ in NAMES]
    owned = await patients.bound_person(account, **about(0, cards))
    called, served = [await patients.person(**about(i, cards)) for i in (1, 2)]
    place = await visit.clinic(fee_fen=0)
    made = await visit.session(place, held_on=DAY, starts=time(9), capacity=4)
    appointments = [await visit.booked(TEST, made, person_id=person) for person in (called, owned)]
    await check_in(TEST, appointment_id=appointments[0])
    window = await a_busy_window(served)
    stay = await inpatient.stay(name="王小芳")
    kiosk = await device("kiosk", "zone", place.zone_id)
    bedside = await inpatient.bearer(stay.terminal, role="bedside")
    told = await at_the_kiosk(client, kiosk, cards[0], str(appointments[1]))
    told += await at_the_bed(client, bedside, stay)
    await call_next(place.doctor, room_id=place.room_id)
    ids = {
        "person_id": owned,
        "ward_id": stay.ward.id,
        "admission_id": stay.admission_id,
        "encounter_id": stay.encounter_id,
        "department_id": place.department_id,
        "room_id": place.room_id,
        "zone_id": place.zone_id,
        "window_id": window,
        "session_id": made.id,
        "appointment_id": appointments[1],
        "ticket_id": await value("SELECT id FROM ticket WHERE person_id = $1", owned),
        "kind": "pharmacy",
    }
    outsiders = {
        "kiosk": kiosk,
        "locked terminal": bedside,
        "unlocked terminal": bedside | {"Bedside-Session": msgspec.json.decode(told[-1][1])["session"]},
    }
    numbers = (*cards, stay.id_number, *PHONES, *DOORS)
    return World(
        client=client,
        secrets=Secrets((*NAMES, "阿卜杜拉", "买买提", "王小芳", *numbers)),
        numbers=Secrets(numbers),
        ids={name: str(known) for name, known in ids.items()},
        outsiders=outsiders | await others_around(place.zone_id, window, stay.ward.id),
        owner=identity.bearer(await identity.account_token(account.id)),
        doctor=identity.bearer(await identity.staff_token(staff_id=place.staff_id)),
        told=told,
    )


async def a_busy_window(person_id: UUID) -> UUID:
    """A pharmacy window that has called this person."""
    window = await organization.window()
    queue = await window_queue(TEST, window_id=window)
    await join_queue(
        TEST, queue_id=queue, person_id=person_id, subject_kind="prescription", subject_id=new_id()
    )
    pharmacist = await organization.staff(role="pharmacist")
    await call_next_at_window(identity.staff_actor(pharmacist), window_id=window)
    return window


async def others_around(zone_id: UUID, window_id: UUID, ward_id: UUID) -> dict[str, dict[str, str]]:
    partner = await identity.token(ActorKind.CLIENT, new_id(), channel="partner", role="partner")
    return {
        "nobody": {},
        "hall display": await device("hall_display", "zone", zone_id),
        "window display": await device("window_display", "window", window_id),
        "nurse station": await device("nurse_station", "ward", ward_id),
        "partner": identity.bearer(partner),
    }


async def at_the_kiosk(
    client: httpx.AsyncClient, kiosk: dict[str, str], card: str, appointment_id: str
) -> list[tuple[str, str]]:
    """A patient shows the card and checks in."""
    body = {"kind": "id_card", "value": card}
    known = await client.post("/api/kiosk/v1/identify", json=body, headers=kiosk)
    body = {"visitor_token": known.json()["visitor"]["token"], "appointment_id": appointment_id}
    ticket = await client.post("/api/kiosk/v1/check-ins", json=body, headers=kiosk)
    assert (known.status_code, ticket.status_code) == (200, 200), ticket.text
    return [("identify", known.text), ("check-ins", ticket.text)]


async def at_the_bed(
    client: httpx.AsyncClient, bedside: dict[str, str], stay: inpatient.StayMade
) -> list[tuple[str, str]]:
    """A patient scans the wristband."""
    band = await stay_wristband(stay.nurse, admission_id=stay.admission_id)
    body = {"wristband": band, "id_last6": stay.id_number[-6:]}
    opened = await client.post("/api/bedside/v1/unlock", json=body, headers=bedside)
    assert opened.status_code == 200, opened.text
    return [("unlock", opened.text)]


def paths(ids: dict[str, str]) -> list[str]:
    """Every GET route of the app, about the patients of this world; the API's own description knows none."""
    templates = [
        route.path_format
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if isinstance(handler, HTTPRouteHandler) and "GET" in handler.http_methods
        if not route.path.startswith("/schema")
    ]
    known = {name: str(new_id()) for path in templates for name in names_in(path)} | ids
    return [path.format(**known) for path in templates]


def names_in(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


async def asked(world: World, headers: dict[str, str]) -> list[tuple[int, str, str]]:
    """(status, path, body) of every route."""
    wanted = {"person_id": world.ids["person_id"], "encounter_id": world.ids["encounter_id"], "q": "a"}
    replies = [(p, await world.client.get(p, params=wanted, headers=headers)) for p in paths(world.ids)]
    return [(reply.status_code, path, reply.text) for path, reply in replies]


async def test_no_outsider_is_told_who_somebody_is(world: World) -> None:
    for who, headers in world.outsiders.items():
        replies = await asked(world, headers)
        assert len(replies) >= ROUTES_MIN
        assert any(status == 200 for status, _, _ in replies), who
        leaks = [(who, path, found) for _, path, body in replies if (found := world.secrets.found_in(body))]
        assert leaks == []
        assert [path for status, path, _ in replies if status >= 500 and path.startswith("/api")] == []


async def test_kiosk_and_terminal_show_only_masked_names(world: World) -> None:
    assert [name for name, body in world.told if "*" not in body] == []
    assert [name for name, body in world.told if world.secrets.found_in(body)] == []
    replies = await asked(world, world.outsiders["unlocked terminal"])
    shown = {path: body for status, path, body in replies if status == 200}
    assert "王*芳" in shown["/api/bedside/v1/session"]


async def test_nor_does_anybody_read_a_number_in_plain_without_unmasking_it(world: World) -> None:
    """Whatever their role, these staff care for the patient and may read the name."""
    department_id = UUID(world.ids["department_id"])
    for role in set(StaffRole) - ADMIN_ROLES:
        staff_id = await organization.staff(role=role, department_id=department_id)
        headers = identity.bearer(await identity.staff_token(staff_id=staff_id, role=role))
        replies = await asked(world, headers)
        assert [path for _, path, body in replies if world.numbers.found_in(body)] == []
        desk = next(body for _, path, body in replies if path.endswith(world.ids["person_id"]))
        assert ("138****5678" in desk) == ("西湖区***" in desk) == (role in UNMASKING)
        body = {"fields": ["phone", "id_number", "address"], "reason": "核对身份"}
        path = f"/api/staff/v1/persons/{world.ids['person_id']}/unmask"
        plain = await world.client.post(path, json=body, headers=headers)
        assert len(world.numbers.found_in(plain.text)) == (3 if role in UNMASKING else 0)
    assert [p for _, p, body in await asked(world, world.owner) if world.numbers.found_in(body)] == []


async def test_control_the_same_walk_finds_what_the_patients_own_phone_and_doctor_are_told(
    world: World,
) -> None:
    for headers in (world.owner, world.doctor):
        found = {path for _, path, body in await asked(world, headers) if world.secrets.found_in(body)}
        assert any(path.endswith(("/persons", f"/persons/{world.ids['person_id']}")) for path in found)


async def test_control_an_escaped_name_and_a_number_in_words_are_found(world: World) -> None:
    for told in (
        '{"x": "\\u6b27\\u9633\\u5a1c\\u5a1c"}',
        f"电话{PHONES[0]}",
        {"a": [world.secrets.texts[5]]},
    ):
        assert world.secrets.found_in(told)

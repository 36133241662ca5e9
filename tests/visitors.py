"""Patients as they come from outside: each with a phone, a wallet and a card of her own."""

from dataclasses import dataclass
from typing import Any

import httpx

from app.demo.arriving import agreements, log_in, person
from app.demo.callers import Caller, StepBroken
from app.demo.day import KIOSK, Day, eventually
from app.demo.people import new_birthday, new_id_number, new_name
from tests.hospital import RunningHospital

AGE = 40


@dataclass(frozen=True)
class Visitor:
    """A grown-up who is bound to herself."""

    phone: Caller
    payer: str
    person: dict[str, Any]
    id_number: str

    @property
    def name(self) -> str:
        return self.person["name"]


@dataclass(frozen=True)
class Place:
    """A window of a session that has free numbers."""

    session: dict[str, Any]
    window: dict[str, Any]


def day_at(hospital: RunningHospital, http: httpx.AsyncClient) -> Day:
    return Day(http, hospital.url, hospital.credentials, hospital.cards, hospital.staff_sessions)


async def new_visitor(day: Day) -> Visitor:
    payer = await day.wechat.new_payer()
    phone = await log_in(day, "wechat", await day.wechat.login_code(payer))
    born = new_birthday(day.today, age=AGE)
    number = new_id_number(born_on=born, sex="2")
    agreed = await agreements(phone)
    bound = await phone.post("/persons", person(new_name(), "2", born.isoformat(), "0", number, agreed))
    return Visitor(phone, payer, bound, number)


async def find_place(
    day: Day, phone: Caller, *, department_ids: set[str] | None = None, untouched: bool = True
) -> Place:
    """The latest window of today that has free numbers, so that time may pass before it begins.

    An untouched one has its whole capacity: what a story does there is all that happens there.
    """
    found: list[Place] = []
    for department in (await phone.get("/departments"))["items"]:
        if department_ids is not None and department["id"] not in department_ids:
            continue
        shown = await phone.get(f"/departments/{department['id']}/sessions", days=1)
        for session in (s for s in shown["items"] if s["free"]):
            windows = (await phone.get(f"/sessions/{session['session_id']}/windows"))["items"]
            found += [
                Place(session, window)
                for window in windows
                if window["bookable"] and (window["free"] == window["capacity"] or not untouched)
            ]
    if not found:
        raise StepBroken("no window of today is free")
    return max(found, key=lambda place: place.window["starts_at"])


async def hold(visitor: Visitor, place: Place) -> dict[str, Any]:
    body = {
        "session_id": place.session["session_id"],
        "window_id": place.window["window_id"],
        "person_id": visitor.person["id"],
    }
    return await visitor.phone.post("/appointments", body)


async def order_payment(visitor: Visitor, appointment: dict[str, Any]) -> dict[str, Any]:
    """The order at WeChat Pay for a held place; the wallet has not been touched."""
    bill = await visitor.phone.post(f"/appointments/{appointment['id']}/bill")
    return await visitor.phone.post(f"/bills/{bill['bill_id']}/payments", {"channel": "wechat_jsapi"})


async def pay(day: Day, visitor: Visitor, attempt: dict[str, Any]) -> dict[str, Any]:
    """She pays; what WeChat Pay calls the order and its transaction."""
    return await day.wechat.pay(visitor.payer, {"pay_params": attempt["pay_params"]})


async def becomes(visitor: Visitor, appointment: dict[str, Any], status: str) -> dict[str, Any]:
    """Her phone asks until the place has the status."""
    return await eventually(
        lambda: visitor.phone.get(f"/appointments/{appointment['id']}"),
        lambda seen: seen["status"] == status,
        f"the appointment {status}",
    )


async def book(day: Day, *, department_ids: set[str] | None = None) -> tuple[Visitor, dict[str, Any], Place]:
    """Somebody new with a paid place of today."""
    visitor = await new_visitor(day)
    place = await find_place(day, visitor.phone, department_ids=department_ids, untouched=False)
    appointment = await hold(visitor, place)
    await pay(day, visitor, await order_payment(visitor, appointment))
    return visitor, await becomes(visitor, appointment, "booked"), place


async def arrive(
    day: Day, visitor: Visitor, appointment: dict[str, Any], *, kiosk: int = 0
) -> dict[str, Any]:
    """She checks in at a kiosk by her card; the ticket."""
    cards = [card for card in day.credentials["devices"] if card["kind"] == "kiosk"]
    at = await day.device(cards[kiosk], KIOSK)
    found = await at.post("/identify", {"kind": "id_card", "value": visitor.id_number})
    body = {"visitor_token": found["visitor"]["token"], "appointment_id": appointment["id"]}
    return await at.post("/check-ins", body)

"""What is known so far of the day that is being played."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Any

import httpx

from app.demo.callers import Caller, Gateway, StepBroken
from app.demo.line import Line
from app.demo.logging_in import StaffSessions

MINI, STAFF, KIOSK, BEDSIDE = "/api/mini-program/v1", "/api/staff/v1", "/api/kiosk/v1", "/api/bedside/v1"
PAID_SECONDS_MAX = 15.0
LATE_SECONDS = 1.0  # a call, a result, an alert: heard within a second


class Day:
    """The people, their logins and what they hold; each step adds to it."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        url: str,
        credentials: dict[str, Any],
        cards: dict[str, Any],
        staff_sessions: StaffSessions,
    ) -> None:
        self.http = http
        self.staff_sessions = staff_sessions
        self.url = url
        self.credentials = credentials
        self.wechat = Gateway(http, cards["wechat_pay"])
        self.alipay = Gateway(http, cards["alipay"])
        self.lines: list[Line] = []
        self.clock_moved = False

        self.today: date
        self.openid: str
        self.alipay_user: str
        self.phone: Caller
        self.alipay_phone: Caller
        self.phone_line: Line
        self.mother: dict[str, Any]
        self.mother_number: str
        self.child: dict[str, Any]
        self.child_number: str
        self.window: dict[str, Any]
        self.session: dict[str, Any]
        self.appointment: dict[str, Any]
        self.ticket: dict[str, Any]
        self.doctor: Caller
        self.hall_line: Line
        self.encounter_id: str
        self.bill_id: str
        self.report_id: str

    async def staff(self, role: str, *, nth: int = 0, **wanted: str) -> Caller:
        """Somebody of the role, by any field of the credentials file; `nth` is for another one."""
        fitting = [
            login
            for login in self.credentials["staff"]
            if login["role"] == role and all(login.get(k) == v for k, v in wanted.items())
        ]
        if len(fitting) <= nth:
            raise StepBroken(f"no {role} with {wanted}")
        return await self.staff_sessions.caller(self.http, STAFF, fitting[nth])

    def device_card(self, kind: str, **place: str) -> dict[str, Any]:
        for device in self.credentials["devices"]:
            if device["kind"] == kind and all(device["place"].get(k) == v for k, v in place.items()):
                return device
        raise StepBroken(f"no {kind} at {place}")

    async def device(self, card: dict[str, Any], prefix: str) -> Caller:
        return await Caller(self.http, prefix).prove_key(card["device_id"], card["private_jwk"])

    async def listen(self, caller: Caller, *streams: str) -> Line:
        line = await Line.open(caller, self.url, *streams)
        self.lines.append(line)
        return line

    async def business_now(self, staff: Caller) -> datetime:
        return datetime.fromisoformat((await staff.get("/clock"))["now"])


async def eventually(
    look: Callable[[], Awaitable[Any]],
    good: Callable[[Any], object],
    what: str,
    seconds: float = PAID_SECONDS_MAX,
) -> Any:
    """Look again until it is good: for what the hospital learns from others."""
    started = time.monotonic()
    while not good(seen := await look()):
        if time.monotonic() - started > seconds:
            raise StepBroken(f"{what}: still {str(seen)[:200]} after {seconds:.0f} s")
        await asyncio.sleep(0.1)
    return seen

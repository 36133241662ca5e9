"""Patients and doctors of one zone, moving things through the public API."""

from datetime import datetime
from typing import Any

import httpx

from app.demo.arriving import open_day
from app.demo.callers import SECONDS_MAX, Caller, Refused
from app.demo.day import Day
from app.identity.roles import StaffRole
from app.organization.device_routes import KEEPS_DEVICES
from tests.hospital import RunningHospital
from tests.visitors import arrive, book, day_at


class People:
    """Everybody who is not at the screens themselves."""

    def __init__(self, running: RunningHospital, zone_id: str) -> None:
        self.running = running
        self.zone_id = zone_id
        self.http: httpx.AsyncClient
        self.day: Day
        self.departments: set[str]
        self.desks: dict[str, Caller] = {}  # who calls into which room

    async def open(self) -> None:
        """The day begins, and the doctors whose rooms lie in the zone are known."""
        self.http = httpx.AsyncClient(base_url=self.running.url, timeout=SECONDS_MAX)
        self.day = day_at(self.running, self.http)
        await open_day(self.day)
        desk = await self.day.staff("registrar")
        departments = (await desk.get("/departments"))["items"]
        self.departments = {d["id"] for d in departments if d["zone_id"] == self.zone_id}

    async def close(self) -> None:
        await self.http.aclose()

    async def now(self) -> datetime:
        return await self.day.business_now(await self.day.staff("registrar"))

    async def offer(self, kind: str) -> str:
        keeper = await self.day.staff(str(KEEPS_DEVICES))
        place = {"place_kind": "zone", "place_id": self.zone_id}
        offered = await keeper.post("/devices/enrolments", {"kind": kind, "label": "新装的设备", **place})
        return offered["code"]

    async def make_new(self, staff_id: str) -> str:
        """The security administrator makes somebody's login as it was on its first day."""
        security = await self.day.staff(str(StaffRole.SECURITY_ADMIN))
        await security.post(f"/logins/{staff_id}/second-factor/reset", {})
        return (await security.post(f"/logins/{staff_id}/password", {}))["one_time_password"]

    async def book(self) -> tuple[str, str]:
        """A new patient with a paid booking of today in the zone: her name and her number."""
        visitor, _, _ = await self._booked()
        return visitor.name, visitor.id_number

    async def wait(self) -> tuple[str, str]:
        """The same, checked in at a kiosk elsewhere."""
        visitor, appointment, _ = await self._booked()
        await arrive(self.day, visitor, appointment, kiosk=1)
        return visitor.name, visitor.id_number

    async def _booked(self) -> Any:
        made = await book(self.day, department_ids=self.departments)
        _, appointment, place = made
        if appointment["room_id"] not in self.desks:
            doctor = await self.day.staff("doctor", staff_id=place.session["doctor_id"])
            self.desks[appointment["room_id"]] = doctor
        return made

    async def call_next(self) -> str:
        """The number that the first doctor with somebody waiting has called."""
        for room_id, doctor in self.desks.items():
            try:
                return await self._call_at(room_id, doctor)
            except Refused as refused:
                if refused.code != "queue_empty":
                    raise
        raise LookupError("nobody waits in the zone")

    async def _call_at(self, room_id: str, doctor: Caller) -> str:
        """Who did not come to an earlier call is passed over first."""
        call = f"/rooms/{room_id}/call-next"
        try:
            called = await doctor.post(call)
        except Refused as refused:
            if refused.code != "desk_has_called":
                raise
            await doctor.post(f"/tickets/{refused.problem['ids']['ticket_id']}/miss")
            called = await doctor.post(call)
        return called["ticket"]["number"]

"""The terminal at a bed opens to its own patient's wristband and digits, and to nothing else."""

from typing import Any

import pytest

from app.demo.callers import Caller, Refused
from app.demo.day import BEDSIDE, Day
from app.demo.staying import STAYS_MAX, department_of, station_of
from tests.visitors import Visitor, new_visitor

FIRST, SECOND = 2, 3  # terminals of the first ward that the demo does not use


class Ward:
    """The first ward: its nurse, and terminals beside each other."""

    def __init__(self, day: Day, nurse: Caller, station: dict[str, Any]) -> None:
        self.day = day
        self.nurse = nurse
        self.station = station
        self.terminals = [
            card
            for card in day.credentials["devices"]
            if card["kind"] == "bedside" and station_of(day, card) == station
        ]

    async def terminal(self, nth: int) -> Caller:
        return await self.day.device(self.terminals[nth], BEDSIDE)

    async def admit(self, visitor: Visitor, nth: int) -> str:
        """To the bed of the nth terminal; the stay's id."""
        bed_id = self.terminals[nth]["place"]["id"]
        stays = (await self.nurse.get(f"/wards/{self.station['place']['id']}/stays", limit=STAYS_MAX))[
            "items"
        ]
        for stay in stays:
            if stay["bed_id"] == bed_id:
                await self.discharge(stay["admission_id"])
        registrar = await self.day.staff("registrar")
        stay = await registrar.post("/admissions", {"person_id": visitor.person["id"], "bed_id": bed_id})
        return stay["admission_id"]

    async def band(self, admission_id: str) -> str:
        return (await self.nurse.get(f"/admissions/{admission_id}/wristband"))["qr"]

    async def discharge(self, admission_id: str) -> None:
        await self.nurse.post(f"/admissions/{admission_id}/discharge")


@pytest.fixture
async def ward(day: Day) -> Ward:
    station = station_of(day, day.device_card("bedside"))
    return Ward(day, await day.staff("nurse", department=department_of(station)), station)


def shown(visitor: Visitor, band: str) -> dict[str, str]:
    return {"wristband": band, "id_last6": visitor.id_number[-6:]}


async def test_another_beds_wristband_and_wrong_digits_open_nothing(day: Day, ward: Ward) -> None:
    mine, neighbour = await new_visitor(day), await new_visitor(day)
    my_band = await ward.band(await ward.admit(mine, FIRST))
    other_band = await ward.band(await ward.admit(neighbour, SECOND))
    terminal = await ward.terminal(FIRST)

    await terminal.expect_refusal("wristband_not_this_bed", "/unlock", shown(neighbour, other_band))
    await terminal.expect_refusal("id_digits_wrong", "/unlock", shown(neighbour, my_band))
    await terminal.expect_refusal("wristband_unknown", "/unlock", shown(mine, "JYWB:GUESSED"))
    with pytest.raises(Refused) as locked:
        await terminal.get("/fees/today")
    assert (locked.value.status, locked.value.code) == (401, "bedside_locked")

    opened = await terminal.post("/unlock", shown(mine, my_band))
    terminal.headers["Bedside-Session"] = opened["session"]
    assert (await terminal.get("/deposit"))["balance_fen"] == 0
    assert mine.name not in str(opened)


async def test_a_discharged_patients_wristband_opens_nothing(day: Day, ward: Ward) -> None:
    visitor = await new_visitor(day)
    stay = await ward.admit(visitor, FIRST)
    band = await ward.band(stay)
    terminal = await ward.terminal(FIRST)
    opened = await terminal.post("/unlock", shown(visitor, band))
    terminal.headers["Bedside-Session"] = opened["session"]
    await terminal.get("/deposit")

    await ward.discharge(stay)

    with pytest.raises(Refused) as locked:
        await terminal.get("/deposit")
    assert locked.value.code == "bedside_locked"
    await terminal.expect_refusal("stay_ended", "/unlock", shown(visitor, band))


async def test_a_session_of_one_terminal_is_nothing_at_another(day: Day, ward: Ward) -> None:
    mine = await new_visitor(day)
    band = await ward.band(await ward.admit(mine, FIRST))
    here, there = await ward.terminal(FIRST), await ward.terminal(SECOND)
    there.headers["Bedside-Session"] = (await here.post("/unlock", shown(mine, band)))["session"]

    with pytest.raises(Refused) as locked:
        await there.get("/deposit")
    assert locked.value.code == "bedside_locked"


async def test_the_patient_proves_it_again_without_losing_the_session(day: Day, ward: Ward) -> None:
    mine, neighbour = await new_visitor(day), await new_visitor(day)
    band = await ward.band(await ward.admit(mine, FIRST))
    terminal = await ward.terminal(FIRST)
    terminal.headers["Bedside-Session"] = (await terminal.post("/unlock", shown(mine, band)))["session"]
    before = await terminal.get("/session")

    await terminal.expect_refusal("id_digits_wrong", "/prove", shown(neighbour, band))
    after = await terminal.post("/prove", shown(mine, band))

    assert after["proved_until"] > before["proved_until"]
    assert (await terminal.get("/deposit"))["balance_fen"] == 0

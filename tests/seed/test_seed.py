"""The demo hospital: whole, the same each time, made once, in a few seconds."""

import time
from collections import Counter
from datetime import date
from pathlib import Path
from random import Random

import msgspec
import pytest
from faker import Faker

from app.catalog.queries import lab_panel, lab_panels, search_drugs, search_icd10
from app.identity.devices import log_in_device
from app.identity.passwords import log_in_staff
from app.identity.roles import FactorKind
from app.identity.second_factor import Proof
from app.identity.totp import code_of, step_at
from app.kernel import clock, database
from app.kernel.actor import system
from app.kernel.crypto import decrypt
from app.outpatient.schedule import roll_sessions
from app.patients.queries import find_by_id_number
from app.patients.rules import read_id_number
from app.seed.hospital import SEED, seed, seed_hospital
from app.seed.people import invented_address, invented_numbers, patient_rows
from app.seed.places import build_house
from app.seed.staff import build_staff
from tests.make.identity import CHALLENGE
from tests.make.proofs import DeviceKey
from tests.make.rows import value

SYSTEM = system("test")
SECONDS_MAX = 10


@pytest.fixture
async def seeded(db: str, data_folder: Path) -> Path:
    """A seeded hospital's credentials."""
    began = time.monotonic()
    await seed_hospital(SYSTEM)
    assert time.monotonic() - began < SECONDS_MAX
    return data_folder / "demo/credentials.json"


def read(credentials: Path) -> bytes:
    assert credentials.stat().st_mode & 0o777 == 0o600
    return credentials.read_bytes()


EXPECTED = {
    "campus": 1,
    "department": 20,
    "zone": 6,
    "room": 60,
    "ward": 2,
    "bed": 40,
    "service_window": 5,
    "person": 2000,
    "lab_panel": 13,
    "icd10": 12542,
    "device": 20,
    "ward_rate": 6,
}


async def test_the_hospital_is_whole_and_opens(seeded: Path) -> None:
    for table, count in EXPECTED.items():
        assert await value(f"SELECT count(*) FROM {table}") == count, table
    assert await value("SELECT count(*) FROM staff WHERE role = 'doctor'") == 60
    assert await value("SELECT count(*) FROM drug") >= 120
    told = msgspec.json.decode(read(seeded))
    assert {login["role"] for login in told["staff"]} == {
        "doctor", "nurse", "pharmacist", "technician", "cashier", "registrar",
        "system_admin", "security_admin", "audit_admin",
    }  # fmt: skip
    first = told["staff"][0]
    code = code_of(first["totp_seed"], step_at(clock.wall()))
    assert await log_in_staff(
        login_name=first["login_name"],
        password=first["password"],
        challenge=CHALLENGE,
        proof=Proof(kind=FactorKind.TOTP, answer=code),
    )
    kinds = Counter(device["kind"] for device in told["devices"])
    assert kinds == {
        "kiosk": 2,
        "hall_display": 6,
        "nurse_station": 2,
        "bedside": 8,
        "window_display": 2,
    }
    device = told["devices"][0]
    key = DeviceKey(device["private_jwk"])
    assert await log_in_device(device_id=device["device_id"], thumbprint=key.thumbprint)
    stored = await value("SELECT json_agg(device)::text FROM device")
    assert not any(device["private_jwk"]["d"] in stored for device in told["devices"])

    await _everybody_has_a_valid_number()
    before = read(seeded)
    assert await seed_hospital(SYSTEM) is False, "the second time changes nothing"
    assert read(seeded) == before
    await _the_catalogs_can_be_searched()
    await _clinics_can_be_booked()


async def _everybody_has_a_valid_number() -> None:
    row_id = await value("SELECT id FROM person ORDER BY id LIMIT 1")
    stored = await value("SELECT id_number FROM person WHERE id = $1", row_id)
    number = decrypt(stored, context=f"person.id_number.{row_id}")
    assert await find_by_id_number(SYSTEM, id_number=number) == row_id
    sealed = await value("SELECT address FROM person WHERE id = $1", row_id)
    assert decrypt(sealed, context=f"person.address.{row_id}") == invented_address(number)


async def _the_catalogs_can_be_searched() -> None:
    by_code = await search_icd10(SYSTEM, text="j06", limit=5)
    assert by_code[0].code.startswith("J06")
    assert [c.code for c in await search_icd10(SYSTEM, text="急性上呼吸道感染")] == ["J06.9"]
    words = await search_icd10(SYSTEM, text="upper respiratory acute")
    assert "J06.9" in [c.code for c in words]
    assert all(c.billable for c in words)
    assert await value("SELECT count(*) FROM icd10 WHERE name_zh <> ''") > 120
    assert (await search_drugs(SYSTEM, text="阿莫西林"))[0].ingredients[0] == "amoxicillin"
    panels = {panel.code: panel.id for panel in await lab_panels(SYSTEM)}
    count = await lab_panel(SYSTEM, panel_id=panels["LAB-CBC"])
    assert [test.code for test in count.tests][:3] == ["WBC", "RBC", "HGB"]
    assert len(count.tests[2].references) == 3


async def _clinics_can_be_booked() -> None:
    began = time.monotonic()
    assert await roll_sessions() > 500
    assert time.monotonic() - began < SECONDS_MAX
    uncovered = await value(
        "SELECT count(*) FROM department d, generate_series(1, 7) AS day, unnest(ARRAY['am', 'pm']) AS half"
        " WHERE EXISTS (SELECT FROM room r WHERE r.department_id = d.id) AND NOT EXISTS (SELECT FROM"
        " schedule_template t WHERE t.department_id = d.id AND t.weekday = day AND t.half_day = half)"
    )
    assert uncovered == 0
    twice = await value(
        "SELECT count(*) FROM (SELECT FROM schedule_template GROUP BY staff_id, weekday, half_day"
        " HAVING count(*) > 1) AS doubled"
    )
    assert twice == 0


def test_the_same_people_come_each_time(data_folder: Path) -> None:
    def names() -> list[str]:
        fake = Faker("zh_CN")
        fake.seed_instance(SEED)
        return [member.name for member in build_staff(fake, build_house())]

    assert names() == names()
    first, again = (invented_numbers(Random(SEED)) for _ in range(2))
    assert [next(first) for _ in range(50)] == [next(again) for _ in range(50)]


def test_every_invented_number_is_valid_and_agrees(data_folder: Path) -> None:
    fake = Faker("zh_CN")
    rows = patient_rows(fake, Random(SEED), at=clock.wall())
    numbers = invented_numbers(Random(SEED))
    for _ in range(300):
        number, sex, born_on = next(numbers)
        known = read_id_number(number, today=date(2026, 7, 1))
        assert known is not None
        assert (known.sex, known.born_on) == (sex, born_on)
    people = rows[0].records
    assert len({person[6] for person in people}) == len(people) == 2000


@pytest.mark.commits
async def test_the_command_seeds_once_and_makes_the_coming_sessions(db: str) -> None:
    await database.close_pool()
    await seed()
    await seed()
    await database.open_pool()
    assert await value("SELECT count(*) FROM campus") == 1
    assert await value("SELECT count(*) FROM clinic_session") > 500

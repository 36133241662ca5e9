"""`jiuyi seed`: an empty database becomes the demo hospital, the same one each time, in a few seconds."""

import time
from pathlib import Path
from random import Random

import structlog
from faker import Faker

from app.catalog.loading import ItemRow, put_icd10, put_items, put_tests
from app.identity.passwords import hash_password
from app.identity.roles import StaffRole
from app.imports.catalog import CATALOG, Known
from app.imports.loading import batches, read_csv
from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.crypto import ensure_key_ring, keys_folder
from app.kernel.database import action, close_pool, fetch_value, open_pool
from app.outpatient.schedule import roll_sessions
from app.seed.clinics import put_clinics, put_ward_rates
from app.seed.codes import icd10_rows
from app.seed.copying import Rows, copy_rows
from app.seed.credentials import (
    device_rows,
    new_devices,
    new_passwords,
    new_totp_seeds,
    totp_rows,
    write_credentials,
)
from app.seed.people import patient_rows
from app.seed.places import build_house
from app.seed.staff import build_staff, staff_rows

log = structlog.get_logger()

SEED = 20260101  # names and numbers follow from it; ids, passwords and keys are new each time
CATALOG_FILE = Path(__file__).with_name("catalog.csv")
SEED_LOCK = 7_119_002  # two first starts at once make one hospital


async def seed() -> None:
    """The command: seed where nothing is yet, else change nothing."""
    began = time.monotonic()
    ensure_key_ring(keys_folder())
    await open_pool(size=1)
    try:
        seeded = await seed_hospital(system("seed"))
        if seeded:
            await roll_sessions()
    finally:
        await close_pool()
    log.info("seeded" if seeded else "seeded_already", seconds=round(time.monotonic() - began, 1))


async def seed_hospital(actor: Actor) -> bool:
    """True where this call made the hospital. Hashing happens outside the transaction."""
    passwords = new_passwords()
    hashes = {role: await hash_password(password) for role, password in passwords.items()}
    return await _seed(actor, passwords=passwords, hashes=hashes)


@action
async def _seed(actor: Actor, *, passwords: dict[StaffRole, str], hashes: dict[StaffRole, str]) -> bool:
    await fetch_value("SELECT pg_advisory_xact_lock($1)", SEED_LOCK)
    if await fetch_value("SELECT EXISTS (SELECT FROM campus)"):
        return False
    fake, random = Faker("zh_CN"), Random(SEED)  # noqa: S311 - invented people, no secrets
    fake.seed_instance(SEED)
    house = build_house()
    members = build_staff(fake, house)
    totp_seeds = new_totp_seeds(members)
    devices = new_devices(house.devices)
    rows: list[Rows] = [
        *house.rows,
        *staff_rows(members, hashes),
        totp_rows(totp_seeds),
        device_rows(devices),
        *patient_rows(fake, random, at=await clock.now()),
    ]
    for table in rows:
        await copy_rows(actor, rows=table)
    await put_catalog(actor)
    for batch in batches(icd10_rows()):
        await put_icd10(actor, rows=batch)
    await put_clinics(actor, house=house, members=members, since=await clock.today())
    await put_ward_rates(actor, house=house)
    write_credentials(members=members, passwords=passwords, totp_seeds=totp_seeds, devices=devices)
    return True


@action
async def put_catalog(actor: Actor) -> None:
    """The demo price list, in the very form that a hospital imports its own."""
    known = Known(panels=set(), tests={})
    read = [CATALOG.read(row, known) for _, row in read_csv(CATALOG_FILE, CATALOG)]
    await put_items(actor, rows=[row for row in read if isinstance(row, ItemRow)])
    await put_tests(actor, rows=[row for row in read if not isinstance(row, ItemRow)])

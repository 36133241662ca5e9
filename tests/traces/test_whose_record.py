"""Whom a record is about, also where only another record says so: an auditor's look at it is in the log."""

import asyncpg
import httpx
import msgspec
import pytest

from app.kernel.actor import Reach, system
from app.kernel.ids import new_id
from app.traces.versions import persons_of
from tests.make import identity, inpatient, laboratory, orders
from tests.make.rows import value
from tests.traces.test_tables import NOT_KEPT
from tests.trail import left_by

RECORDS = "/api/staff/v1/audit/records"
LINKS = (
    "SELECT conrelid::regclass::text AS name, confrelid::regclass::text AS other FROM pg_constraint"
    " WHERE contype = 'f' AND cardinality(conkey) = 1"
)
TABLES = (
    "SELECT relname::text AS name, EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid"
    " AND attname = 'person_id') OR relname = 'person' AS says FROM pg_class c"
    " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
)
HOUSE = "the house's own: places, staff, prices, programs, logins"
NOT_FOLLOWED = "tells by the number of a payment or stay, without a reference, whose it is"
BOUND = "an account is not a person: bindings say whose it acts for, and name the person"
NOBODYS = {
    **dict.fromkeys(
        ("alert_rung", "analyzer_test_qc", "bed", "campus", "clinic_session", "clock_offset",
         "consent_document", "department", "desk", "device", "device_enrolment", "drug", "icd10", "journal",
         "lab_panel", "lab_reference", "lab_test", "ledger_account", "login_session", "number",
         "oauth_client", "priced_item", "queue", "queue_day", "recovery_code", "room", "schedule_template",
         "service_window", "session_window", "signing_key", "staff", "staff_login", "totp_seed", "ward",
         "ward_rate", "zone"), HOUSE),
    **dict.fromkeys(("journal_leg", "pay_alarm", "pay_notice"), NOT_FOLLOWED),
    **dict.fromkeys(("account", "account_login"), BOUND),
}  # fmt: skip


async def test_every_table_leads_to_a_person_or_is_about_nobody(db: str) -> None:
    connection = await asyncpg.connect(db)
    tables = {row["name"]: row["says"] for row in await connection.fetch(TABLES)}
    links = [(row["name"], row["other"]) for row in await connection.fetch(LINKS)]
    await connection.close()
    leads = {name for name, says in tables.items() if says}
    for _ in range(4):
        leads |= {name for name, other in links if other in leads}
    assert tables.keys() - leads - NOT_KEPT.keys() == NOBODYS.keys()


@pytest.mark.parametrize("table", ["report", "lab_report", "lab_result", "lab_request"])
async def test_an_auditors_look_names_whom_a_record_is_about(client: httpx.AsyncClient, table: str) -> None:
    """A result says it by its report, and that by its tube."""
    visit = await orders.visit()
    other = await orders.visit()
    await laboratory.released(visit)
    record_id = await value(f"SELECT id FROM {table} LIMIT 1")
    headers = await identity.staff_headers(role="audit_admin")
    request_id = str(new_id())
    path = f"{RECORDS}/{table}/{record_id}"
    reply = await client.get(path, headers=headers | {"X-Request-ID": request_id})
    assert reply.status_code == 200, reply.text
    [left] = await left_by(request_id)
    assert (left.person_id, left.permission) == (visit.person_id, "audit.read_record")
    assert left.person_id != other.person_id


async def test_who_asks_without_reaching_everybody_learns_nobody(db: str) -> None:
    """Positive control: the house itself does; and a table that is none leads to nobody."""
    stay = await inpatient.stay()
    band = {"id": str(new_id()), "admission_id": str(stay.admission_id)}
    nurse = msgspec.structs.replace(stay.nurse, reach=Reach.RELATED)
    assert await persons_of(nurse, table="wristband", record=band) == []
    assert await persons_of(system("record"), table="wristband", record=band) == [stay.person_id]
    for table in ("no_such_table", "campus", 'quoted"'):
        assert await persons_of(system("record"), table=table, record=band) == []

"""A million sealed entries are verified in a minute, in bounded memory."""

import resource
import time

import pytest

from tests.evidence import evidence
from tests.traces.sealed_house import check, forger, seal_everything, sealed_history

pytestmark = [pytest.mark.commits, pytest.mark.long]
ENTRIES, SECONDS_MAX, MIB_MAX = 1_000_000, 60.0, 200
# No random ones: among millions some read like a card or a phone number.
ID = "('abcdefab-cdef-4abc-8def-' || lpad(to_hex(n), 12, 'e'))::uuid"
VERSIONS = """
INSERT INTO record_version (table_name, row_id, op, body, actor_kind, actor_id, channel, request_id,
                            reason, db_user)
SELECT 'appointment', ({ID})::text, 'U', jsonb_build_object(
           'id', {ID}, 'person_id', {ID}, 'session_id', {ID},
           'status', 'booked', 'number', n, 'held_until', now(), 'paid_at', now(), 'fee_fen', 1500,
           'note', '复诊，带既往检查'),
       'account', {ID}, 'mini_program', ({ID})::text, '', 'jiuyi'
FROM generate_series(1, 35000) n
"""
ACCESSES = """
INSERT INTO access_log (actor_kind, actor_id, role, channel, session_id, request_id, address, permission,
                        status, person_id, reason)
SELECT 'staff', {ID}, 'doctor', 'staff', {ID}, ({ID})::text, '10.1.2.3',
       'report.read', 200, {ID}, '' FROM generate_series(1, 15000) n
"""


def resident_mib() -> int:
    """The most memory that this process has ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


async def test_a_million_entries_are_verified_in_a_minute(db: str) -> None:
    connection = await forger(db)
    await sealed_history(db, rounds=1)
    with evidence("million-entries", "1,000,000 sealed entries verified in one run") as numbers:
        began = time.monotonic()
        for _ in range(ENTRIES // 50_000):
            await connection.execute(VERSIONS.replace("{ID}", ID))
            await connection.execute(ACCESSES.replace("{ID}", ID))
            await seal_everything(connection)
        numbers["filled_and_sealed_seconds"] = round(time.monotonic() - began, 1)
        before, began = resident_mib(), time.monotonic()
        report = await check(connection)
        numbers["verify_seconds"] = round(time.monotonic() - began, 1)
        numbers["memory_peak_mib"], numbers["memory_grew_mib"] = resident_mib(), resident_mib() - before
        numbers["entries"], numbers["seals"] = report.entries, report.seals
        assert report.whole, report.findings
        assert report.entries >= ENTRIES
        assert numbers["verify_seconds"] <= SECONDS_MAX
        assert numbers["memory_grew_mib"] <= MIB_MAX
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SET LOCAL session_replication_role = 'replica'")
        await connection.execute(
            "UPDATE record_version SET reason = '改' WHERE entry = (SELECT max(entry) FROM record_version)"
        )
        numbers["control_one_edit_found"] = (await check(connection)).found
        await transaction.rollback()
        assert numbers["control_one_edit_found"] == 1
    await connection.close()

"""Every table stands behind the wall, or says why it need not; and who may pull the wall down."""

import asyncpg
import pytest

from app.kernel.settings import ROOT

SELLS = "what the hospital offers, the same for everybody"
RUNS = "how the house runs: ids and times, nothing about a patient"
KNOWS = "who may log in; read before anybody is known, no patient in it"
ONCE = "what was shown once and must not work again, and where wrong codes came from: no person in it"
TRACED = "nobody of ours may read it: functions answer who may ask"
BOOKS = "amounts between accounts, append-only; its subjects are ids"
OPEN = {
    **dict.fromkeys(
        ("campus", "zone", "department", "room", "ward", "bed", "staff", "service_window", "priced_item",
         "drug", "lab_panel", "lab_test", "lab_reference", "icd10", "schedule_template", "clinic_session",
         "session_window", "number", "ward_rate", "alert_rung", "queue", "queue_day", "desk",
         "analyzer_test_qc", "consent_document"), SELLS),
    **dict.fromkeys(
        ("clock_offset", "outbox", "event_head", "delivery", "job", "idempotency", "sql_file", "process_beat",
         "bedside_tries", "rt_stream", "rt_ticket", "rt_cursor", "seal", "anchor_state", "trace_watch",
         "restoration"), RUNS),
    **dict.fromkeys(
        ("account", "account_login", "staff_login", "device", "login_session", "auth_code", "totp_seed",
         "recovery_code", "login_request", "device_enrolment", "refresh_token", "oauth_client",
         "pushed_request", "signing_key"), KNOWS),
    **dict.fromkeys(
        ("used_challenge", "enrolment_try", "proof_nonce", "client_assertion"), ONCE),
    **dict.fromkeys(("ledger_account", "journal", "journal_leg", "pay_alarm"), BOOKS),
    "event": "facts carry ids, never clinical content",
    "rt_event": "what a socket's own stream says: that something changed, never what",
    **dict.fromkeys(("record_version", "access_log", "seal_leaf", "trace_archive"), TRACED),
    "migration": RUNS,
}  # fmt: skip

NEWBORN = (
    "INSERT INTO person (id, name, sex, born_on, id_kind, no_id_reason)"
    " VALUES (gen_random_uuid(), '新生儿', '1', '2026-01-01', '00', 'NEWBORN')"
)


async def ask(db: str, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(db)
    try:
        return await connection.fetch(sql)
    finally:
        await connection.close()


async def test_every_table_is_walled_or_says_why_not(db: str) -> None:
    rows = await ask(
        db,
        "SELECT relname::text AS name, relrowsecurity AND relforcerowsecurity AS walled FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition",
    )
    walled = {row["name"] for row in rows if row["walled"]}
    assert walled | OPEN.keys() == {row["name"] for row in rows}
    assert not walled & OPEN.keys()


async def test_each_wall_has_its_four_policies(db: str) -> None:
    rows = await ask(
        db,
        "SELECT tablename, array_agg(policyname::text ORDER BY policyname) AS names FROM pg_policies"
        " GROUP BY tablename",
    )
    assert {tuple(row["names"]) for row in rows} == {("definer", "owner", "reach", "system")}


async def test_no_role_of_ours_passes_or_owns(db: str) -> None:
    rows = await ask(
        db,
        "SELECT rolname::text, rolsuper OR rolbypassrls OR rolcreaterole AS mighty,"
        " (SELECT count(*) FROM pg_class WHERE relowner = r.oid AND relkind IN ('r', 'p')) AS owned"
        " FROM pg_roles r WHERE rolname IN ('jiuyi_app', 'jiuyi_worker', 'jiuyi_definer') ORDER BY 1",
    )
    assert [(row["rolname"], row["mighty"], row["owned"]) for row in rows] == [
        ("jiuyi_app", False, 0),
        ("jiuyi_definer", False, 0),
        ("jiuyi_worker", False, 0),
    ]


@pytest.mark.parametrize("role", ["jiuyi_app", "jiuyi_worker"])
async def test_who_has_not_said_who_acts_is_shown_nothing(db: str, role: str) -> None:
    connection = await asyncpg.connect(db)
    await connection.execute(f"SET app.actor_kind = 'system'; {NEWBORN}")
    assert await connection.fetchval("SELECT count(*) FROM person") > 0
    await connection.execute(f"RESET app.actor_kind; SET ROLE {role}")
    assert await connection.fetchval("SELECT count(*) FROM person") == 0
    for statement in (
        "ALTER TABLE person DISABLE ROW LEVEL SECURITY",
        "DROP POLICY reach ON person",
        "SET LOCAL row_security = off; SELECT count(*) FROM person",
        NEWBORN,
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.execute("RESET ROLE; SET app.actor_kind = 'system'; DELETE FROM person")
    await connection.close()


async def test_definer_functions_have_a_fixed_path_and_are_nobody_elses(db: str) -> None:
    rows = await ask(
        db,
        "SELECT oid::regprocedure::text AS name, proconfig::text AS config, proacl::text AS acl FROM pg_proc"
        " WHERE pronamespace = 'jiuyi'::regnamespace AND prosecdef",
    )
    assert len(rows) > 10
    decision = (ROOT / "docs/decisions/0008-row-level-security.md").read_text()
    for row in rows:
        assert f"`{row['name'].split('(')[0].removeprefix('jiuyi.')}`" in decision, row["name"]
        assert "search_path" in (row["config"] or ""), row["name"]
        assert not row["acl"].startswith("{=X"), row["name"]
        assert ",=X" not in row["acl"], row["name"]

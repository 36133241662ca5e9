"""Every table's history is kept, or the table says why it need not be."""

import asyncpg

SHORT = "lives for minutes, and its use leaves a row that is kept"
RUNS = "how the house runs: made, worked off and forgotten by machines"
OWN = "append-only: it is its own history"
NOT_KEPT = {
    **dict.fromkeys(
        ("used_challenge", "login_request", "enrolment_try", "proof_nonce", "auth_code", "refresh_token",
         "client_assertion", "pushed_request", "bedside_tries", "rt_ticket"), SHORT),
    **dict.fromkeys(
        ("outbox", "event_head", "delivery", "job", "idempotency", "sql_file", "migration", "process_beat",
         "rt_stream", "rt_event", "rt_cursor", "anchor_state", "trace_watch"), RUNS),
    **dict.fromkeys(("event", "record_version", "access_log", "seal", "seal_leaf", "trace_archive",
                     "restoration"), OWN),
    "timeline_entry": "a projection of events, made anew from them",
}  # fmt: skip


async def test_every_table_is_kept_or_says_why_not(db: str) -> None:
    connection = await asyncpg.connect(db)
    try:
        rows = await connection.fetch(
            "SELECT relname::text AS name,"
            " (SELECT count(*) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
            " WHERE t.tgrelid = c.oid AND p.proname = 'keep_version' AND t.tgenabled = 'O') AS triggers"
            " FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT relispartition"
        )
    finally:
        await connection.close()
    kept = {row["name"] for row in rows if row["triggers"] == 3}
    assert kept | NOT_KEPT.keys() == {row["name"] for row in rows}
    assert not kept & NOT_KEPT.keys()

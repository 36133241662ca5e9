"""Every living record beside its newest version: finds what was changed past the triggers."""

import asyncpg
import msgspec

from app.traces.findings import FINDINGS_MAX, Finding, Kind, Report

# What to_jsonb writes depends on these, and versions are written with them.
WRITTEN_WITH = (
    "SET LOCAL TimeZone = 'UTC'; SET LOCAL IntervalStyle = 'iso_8601'; SET LOCAL bytea_output = 'hex'"
)

KEPT = """
SELECT c.relname::text AS name, string_to_array(encode(t.tgargs, 'escape'), '\\000') AS arguments
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
WHERE p.proname = 'keep_version' AND t.tgname = 'kept_insert' AND c.relnamespace = 'public'::regnamespace
ORDER BY 1
"""

# A column that is younger than the version is in the record alone, and one that was dropped in the version.
DIFFERENT = """
SELECT coalesce(living.row_id, version.row_id) AS row_id, version.entry,
       CASE WHEN living.row_id IS NULL THEN '不见了，却没有删除的版本'
            WHEN version.op IS NULL THEN '没有任何版本'
            WHEN version.op = 'D' THEN '仍在，而最新版本说已删除'
            ELSE '与最新版本不同' END AS what
FROM (SELECT {key} AS row_id, to_jsonb(t) - $1::text[] AS body FROM public.{table} t) living
FULL JOIN (SELECT DISTINCT ON (row_id) row_id, op, body, entry FROM record_version
           WHERE table_name = $2 ORDER BY row_id, entry DESC) version ON version.row_id = living.row_id
WHERE (version.op IS NULL AND NOT $4) OR (living.row_id IS NULL) <> (version.op = 'D')
   OR (living.body <> version.body AND EXISTS (
       SELECT FROM jsonb_each(living.body) part
       WHERE version.body ? part.key AND version.body -> part.key <> part.value))
LIMIT $3
"""


class Kept(msgspec.Struct, frozen=True):
    """A table whose history is kept: its key, and the columns that its versions leave out."""

    name: str
    key: list[str]
    left_out: str


async def compare_rows(connection: asyncpg.Connection, report: Report, *, some_left: bool) -> None:
    """One moment's records and versions, as many findings as are told one by one.

    `some_left`: months of versions were archived, so that a record without any is no finding.
    """
    await connection.execute(WRITTEN_WITH)
    for table in await kept_tables(connection):
        parts = ", ':', ".join(f"t.{column}::text" for column in table.key)
        sql = DIFFERENT.format(key=f"concat({parts})", table=f'"{table.name}"')
        for row in await connection.fetch(sql, _names(table.left_out), table.name, FINDINGS_MAX, some_left):
            report.add(
                Finding(
                    kind=Kind.ROW,
                    what=row["what"],
                    table=table.name,
                    record=row["row_id"],
                    entry=row["entry"],
                )
            )
        counted = await connection.fetchval(f'SELECT count(*) FROM public."{table.name}"')  # noqa: S608 - the same
        report.rows += int(counted or 0)


async def kept_tables(connection: asyncpg.Connection) -> list[Kept]:
    """The trigger's arguments are what was left out, and then the key."""
    found = []
    for row in await connection.fetch(KEPT):
        left_out, *key = row["arguments"][:-1]
        found.append(Kept(row["name"], key, left_out))
    return found


def _names(array: str) -> list[str]:
    return [name for name in array.strip("{}").split(",") if name]

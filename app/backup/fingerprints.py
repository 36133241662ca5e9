"""How many rows each table has, and a sum over their hashes that does not depend on their order."""

import asyncpg

from app.backup.folder import TableFacts

# What a row's text depends on beside the row.
TEXT_FORM = (
    "SET LOCAL search_path = pg_catalog; SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, MDY';"
    " SET LOCAL intervalstyle = 'postgres'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'"
)

TABLES = """
SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind = 'r' AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1
"""

# Tables whose walls would hide rows from us in silence, were we to read them.
HIDING = """
SELECT c.relname FROM pg_class c
WHERE relkind IN ('r', 'p') AND relrowsecurity AND row_security_active(c.oid) AND NOT EXISTS (
    SELECT FROM pg_policy p JOIN pg_roles r ON r.oid = ANY (p.polroles)
    WHERE p.polrelid = c.oid AND r.rolname = current_user AND p.polpermissive AND p.polcmd IN ('*', 'r')
      AND pg_get_expr(p.polqual, p.polrelid) LIKE '%app.actor_kind%system%')
ORDER BY 1 LIMIT 1
"""


def fingerprint_sql(table: str, salt: str) -> str:
    """One row: the count, and the sum of each half of the rows' salted SHA-256 to 128 bits.

    Both names are ours: `table` comes quoted from the catalogue, `salt` is hexadecimal.
    """
    halves = " || ':' || ".join(
        f"coalesce(sum(('x' || substr(h, {start}, 16))::bit(64)::bigint::numeric), 0)" for start in (1, 17)
    )
    return (
        f"SELECT count(*), {halves} FROM (SELECT encode(sha256(convert_to('{salt}'"  # noqa: S608
        f" || whole_row_::text, 'UTF8')), 'hex') AS h FROM ONLY {table} AS whole_row_) AS hashed"
    )


async def tables(connection: asyncpg.Connection) -> list[str]:
    return [row[0] for row in await connection.fetch(TABLES)]


async def hiding_table(connection: asyncpg.Connection) -> str | None:
    return await connection.fetchval(HIDING)


async def fingerprint(connection: asyncpg.Connection, table: str, salt: str) -> TableFacts:
    """Inside a transaction that has executed TEXT_FORM."""
    row = await connection.fetchrow(fingerprint_sql(table, salt))
    assert row is not None
    return TableFacts(table, row[0], row[1])

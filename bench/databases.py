"""Two databases of one content: one as the hospital has it, one whose rows are walled by nothing."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import asyncpg

PREFIX = "jiuyi_bench_"

WALLED = (
    "SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relrowsecurity AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
)


def is_ours(url: str) -> bool:
    return urlsplit(url).path.startswith(f"/{PREFIX}")


@contextmanager
def database(server: str, name: str, *, template: str | None = None) -> Iterator[str]:
    """Its URL on the server, until the block ends; a copy where a template is named."""
    name = f"{PREFIX}{os.getpid()}_{name}"
    copied = f' TEMPLATE "{urlsplit(template).path[1:]}"' if template else ""
    execute(server, f'CREATE DATABASE "{name}"{copied}')
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        execute(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def lower_walls(url: str) -> list[str]:
    """No table's rows are walled any more; returns the names of those that were."""
    walled = [row["name"] for row in execute(url, WALLED)]
    alter(url, walled, "DISABLE")
    return walled


def ask_nothing(url: str) -> None:
    """The question that rides on a statement is answered before it is thought about."""
    execute(
        url,
        "CREATE OR REPLACE FUNCTION jiuyi.actor_sees(asked uuid) RETURNS boolean LANGUAGE sql STABLE"
        " AS $$ SELECT true $$",
    )


def raise_walls(url: str, walled: list[str]) -> None:
    alter(url, walled, "ENABLE")


def alter(url: str, tables: list[str], what: str) -> None:
    for table in tables:
        execute(url, f"ALTER TABLE {table} {what} ROW LEVEL SECURITY")


def look_at(url: str) -> None:
    """Tell the planner what is there, and let no vacuum begin in the middle of a round."""
    execute(url, "VACUUM ANALYZE")


def execute(url: str, statement: str) -> list[asyncpg.Record]:
    async def once() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetch(statement)
        finally:
            await connection.close()

    return asyncio.run(once())

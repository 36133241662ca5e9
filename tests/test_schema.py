"""The database equals the code: migrations make the tables, the SQL files make everything else."""

import asyncio
import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from app import roles, schema
from app.backup.loading import AFTER
from app.kernel.settings import ROOT
from app.kernel.tables import TABLES
from tests.conftest import clone, drop

CATALOGUE = """
SELECT 'function ' || p.oid::regprocedure || ' ' || md5(p.prosrc) || p.prosecdef
    || coalesce(p.proconfig::text, '')
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'jiuyi'
UNION ALL
SELECT 'trigger ' || tgrelid::regclass || ' ' || pg_get_triggerdef(t.oid)
FROM pg_trigger t WHERE NOT tgisinternal
UNION ALL
SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT 'policy ' || polrelid::regclass || polname || coalesce(pg_get_expr(polqual, polrelid), '')
FROM pg_policy
UNION ALL
SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
ORDER BY 1
"""


async def catalogue(dsn: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return [row[0] for row in await connection.fetch(CATALOGUE)]
    finally:
        await connection.close()


async def change(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("SET search_path = public")
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


@pytest.fixture
def fresh(servers: tuple[str, str], template: str) -> Iterator[str]:
    dsn = clone(servers[0], template, "schema")
    yield dsn
    drop(servers[0], "schema")


def test_migrating_again_changes_nothing(fresh: str) -> None:
    before = asyncio.run(catalogue(fresh))
    assert asyncio.run(schema.migrate(dsn=fresh)) == []
    assert asyncio.run(catalogue(fresh)) == before


def test_the_database_holds_what_the_files_say(fresh: str) -> None:
    """All SQL files applied anew must leave the catalogue as it is; a hand-made change is found."""
    before = asyncio.run(catalogue(fresh))
    asyncio.run(
        change(
            fresh,
            "DELETE FROM sql_file",
            "CREATE OR REPLACE FUNCTION jiuyi.now() RETURNS timestamptz LANGUAGE sql STABLE"
            " AS $$ SELECT pg_catalog.now() $$",
        )
    )
    assert asyncio.run(catalogue(fresh)) != before
    applied = asyncio.run(schema.migrate(dsn=fresh))
    assert applied == [str(path.relative_to(ROOT)) for path in schema.SQL_FILES]
    assert asyncio.run(catalogue(fresh)) == before


def test_every_sql_file_is_in_the_list() -> None:
    found = {*ROOT.glob("app/*/*.sql"), *ROOT.glob("notifications/*.sql")}
    assert found == {*schema.SQL_FILES, schema.GRANTS, AFTER}  # the last is a restore's own


def test_data_of_a_newer_version_is_refused_and_left_alone(fresh: str) -> None:
    asyncio.run(
        change(
            fresh, "INSERT INTO migration (name, app_name) VALUES ('2099-01-01T00:00:00:000000', 'hospital')"
        )
    )
    before = asyncio.run(catalogue(fresh))
    with pytest.raises(schema.NewerData, match="升级"):
        asyncio.run(schema.migrate(dsn=fresh))
    assert asyncio.run(catalogue(fresh)) == before


def test_many_may_migrate_an_empty_database_at_once(servers: tuple[str, str], template: str) -> None:
    dsn = clone(servers[0], None, "together")

    async def together() -> list[list[str]]:
        return await asyncio.gather(*(schema.migrate(dsn=dsn) for _ in range(3)))

    applied = asyncio.run(together())
    assert sorted(map(len, applied)) == [0, 0, len(schema.SQL_FILES)]
    drop(servers[0], "together")


ENTERED = "jiuyi_app, jiuyi_worker, jiuyi_definer"


@pytest.fixture
def ordinary(servers: tuple[str, str], template: str) -> Iterator[str]:
    """An empty database whose owner is an ordinary login: no superuser, no CREATEROLE."""
    server, owner = urlsplit(servers[0]), f"jiuyi_test_{os.getpid()}_owner"
    drop(servers[0], "ordinary")
    name = clone(servers[0], None, "ordinary").rsplit("/", 1)[1]
    asyncio.run(
        change(
            servers[0],
            f"CREATE ROLE {owner} LOGIN PASSWORD 'ordinary'",
            f"GRANT {owner} TO CURRENT_USER",
            f'ALTER DATABASE "{name}" OWNER TO {owner}',
        )
    )
    yield f"postgresql://{owner}:ordinary@{server.hostname}:{server.port}/{name}"
    drop(servers[0], "ordinary")
    asyncio.run(change(servers[0], f"REVOKE {ENTERED} FROM {owner}", f"DROP ROLE {owner}"))


def test_an_owner_who_may_not_make_the_role_is_told_what_to_do(ordinary: str) -> None:
    before = asyncio.run(catalogue(ordinary))
    with pytest.raises(roles.RoleMissing, match="GRANT jiuyi_app, jiuyi_worker"):
        asyncio.run(schema.migrate(dsn=ordinary))
    assert asyncio.run(catalogue(ordinary)) == before


def test_an_ordinary_owner_migrates_where_the_role_is_prepared(
    ordinary: str, servers: tuple[str, str]
) -> None:
    owner = urlsplit(ordinary).username
    asyncio.run(change(servers[0], f"GRANT {ENTERED} TO {owner}"))
    assert len(asyncio.run(schema.migrate(dsn=ordinary))) == len(schema.SQL_FILES)
    assert asyncio.run(schema.migrate(dsn=ordinary)) == []


def test_partitions_stand_three_months_ahead(fresh: str) -> None:
    async def partitions() -> list[str]:
        connection = await asyncpg.connect(fresh)
        rows = await connection.fetch(
            "SELECT inhrelid::regclass::text AS name FROM pg_inherits"
            " WHERE inhparent = 'public.event'::regclass"
        )
        await connection.close()
        return [row["name"] for row in rows]

    assert len(asyncio.run(partitions())) == 5  # this month, three ahead, and the default


def test_the_list_of_tables_is_whole() -> None:
    from app.piccolo_app import TABLES as ALL

    assert set(TABLES) <= set(ALL)
    assert len(set(ALL)) == len(ALL)

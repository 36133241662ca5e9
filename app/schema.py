"""`jiuyi migrate`: roles, tables, then functions, triggers, policies and partial indexes by checksum."""

import hashlib
import io
from contextlib import redirect_stdout
from pathlib import Path

import asyncpg
from piccolo.apps.migrations.commands.forwards import run_forwards

from app.kernel.actor import system
from app.kernel.database import DB, Mode, Transaction
from app.kernel.settings import ROOT, settings
from app.roles import CannotMigrate, ensure_roles, let_log_in

MIGRATE_LOCK = 7_119_001  # the advisory lock that makes two migrating processes take turns
GRANTS = ROOT / "app/kernel/grants.sql"

SQL_FILES: list[Path] = [
    ROOT / "app/kernel/ground.sql",
    ROOT / "app/traces/traces.sql",
    ROOT / "app/traces/leaves.sql",
    ROOT / "app/traces/seals.sql",
    ROOT / "app/traces/versions.sql",
    ROOT / "app/traces/accesses.sql",
    ROOT / "app/identity/clients.sql",
    ROOT / "app/identity/identity.sql",
    ROOT / "app/organization/organization.sql",
    ROOT / "app/patients/patients.sql",
    ROOT / "app/patients/consent.sql",
    ROOT / "app/catalog/catalog.sql",
    ROOT / "app/encounters/encounters.sql",
    ROOT / "app/alerts/alerts.sql",
    ROOT / "app/billing/billing.sql",
    ROOT / "app/queueing/queueing.sql",
    ROOT / "app/orders/orders.sql",
    ROOT / "app/outpatient/outpatient.sql",
    ROOT / "app/inpatient/inpatient.sql",
    ROOT / "app/laboratory/laboratory.sql",
    ROOT / "app/pharmacy/pharmacy.sql",
    ROOT / "app/rights/rights.sql",
    ROOT / "notifications/realtime.sql",
    ROOT / "app/letters/letters.sql",
    ROOT / "app/backup/backup.sql",
]


class NewerData(CannotMigrate):
    """The database was migrated by a newer version of this program."""


async def migrate(*, dsn: str | None = None) -> list[str]:
    """Bring the database up to this version; returns what was applied. Safe to run at any time, by many.

    Everything happens in one transaction: a version that fails leaves the database as it was.
    """
    connection = await asyncpg.connect(dsn or settings().database_url)
    try:
        async with connection.transaction():
            # A login named like our schema would otherwise find (and make) its tables there.
            await connection.execute("SET LOCAL search_path = public")
            await connection.execute(f"SELECT pg_advisory_xact_lock({MIGRATE_LOCK})")
            # The owner stands behind the walls like everybody else, and migrates as the system.
            await connection.execute("SELECT set_config('app.actor_kind', 'system', true)")
            await ensure_roles(connection)
            await let_log_in(connection, dsn or settings().database_url)
            await _refuse_newer(connection)
            await _run_migrations(connection)
            return await _apply_sql_files(connection)
    finally:
        await connection.close()


def known_migrations() -> set[str]:
    """The ids of the migrations this version has, read from their file's text."""
    ids: set[str] = set()
    for path in (ROOT / "migrations").glob("*.py"):
        for line in path.read_text().splitlines():
            if line.startswith("ID = "):
                ids.add(line.split('"')[1])
    return ids


async def _refuse_newer(connection: asyncpg.Connection) -> None:
    if await connection.fetchval("SELECT to_regclass('public.migration')") is None:
        return
    ran = {row["name"] for row in await connection.fetch("SELECT name FROM migration")}
    if unknown := sorted(ran - known_migrations()):
        raise NewerData(f"数据库来自更新的版本（{unknown[-1]}），请升级程序后再启动；数据没有改动。")


async def _run_migrations(connection: asyncpg.Connection) -> None:
    transaction = Transaction(connection, system("migrate"), Mode.WRITE)
    token = DB.current_transaction.set(transaction)  # type: ignore[arg-type] - Piccolo joins what it finds here
    try:
        with redirect_stdout(io.StringIO()):
            await run_forwards("all")
    finally:
        DB.current_transaction.reset(token)


async def _apply_sql_files(connection: asyncpg.Connection) -> list[str]:
    applied: list[str] = []
    for path in SQL_FILES:
        name = str(path.relative_to(ROOT))
        text = path.read_text()
        checksum = hashlib.sha256(text.encode()).hexdigest()
        known = await connection.fetchval("SELECT checksum FROM sql_file WHERE path = $1", name)
        if known == checksum:
            continue
        await connection.execute(text)
        await connection.execute(
            "INSERT INTO sql_file (path, checksum, applied_at) VALUES ($1, $2, now())"
            " ON CONFLICT (path) DO UPDATE SET checksum = $2, applied_at = now()",
            name,
            checksum,
        )
        applied.append(name)
    await connection.execute(GRANTS.read_text())
    return applied

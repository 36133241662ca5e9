"""The dump into an empty database: one transaction, so that there is the whole hospital or none."""

import asyncio
import re
import signal
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import asyncpg

from app.backup.adapting import Lines, Target, adapted
from app.backup.clients import client_folder, connection_to
from app.backup.connecting import connect, value
from app.backup.dumping import GZIP
from app.backup.envelope import Identity, row_salt, unseal
from app.backup.fingerprints import TEXT_FORM, fingerprint_sql
from app.backup.folder import DATABASE, Manifest
from app.backup.progress import counted
from app.kernel.settings import ROOT
from app.launch.processes import die_with_parent
from app.launch.refusals import CannotStart
from app.roles import BACKUP_ROLE, DEFINER_ROLE, CannotMigrate, ensure_roles

AFTER = ROOT / "app/backup/after_restore.sql"
IS_EMPTY = """
SELECT to_regnamespace('jiuyi') IS NULL AND NOT EXISTS (
    SELECT FROM pg_class c WHERE relnamespace = 'public'::regnamespace
    AND relkind IN ('r', 'p', 'v', 'm', 'S')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e'))
"""
# Since PostgreSQL 16 who made a role may enter it without having its rights, and the dump's grants need them.
MUST_INHERIT = f"SELECT NOT pg_has_role(current_user, '{DEFINER_ROLE}', 'USAGE')"
AS_THE_SYSTEM = (
    "SET LOCAL row_security = on; SET LOCAL search_path = public;"
    " SELECT set_config('app.actor_kind', 'system', true), set_config('app.actor_id', '', true),"
    " set_config('app.channel', 'restore', true), set_config('app.request_id', '', true),"
    " set_config('app.reason', 'restored from a backup', true);"
)


class LoadFailed(CannotStart):
    """The server refused a statement; nothing of the load is left."""


async def prepare(url: str) -> Target:
    """Makes the roles and says who takes the dump."""
    connection = await connect(url)
    try:
        async with connection.transaction():
            await ensure_roles(connection)
        return Target(
            major=connection.get_server_version().major,
            owner=await value(connection, "SELECT current_user::text"),
            has_backup_role=await value(connection, "SELECT to_regrole($1) IS NOT NULL", BACKUP_ROLE),
            must_inherit=await value(connection, MUST_INHERIT),
        )
    except (CannotMigrate, asyncpg.PostgresError) as error:
        raise CannotStart(str(error)) from error
    finally:
        await connection.close()


async def is_empty(url: str) -> bool:
    connection = await connect(url)
    try:
        return await value(connection, IS_EMPTY)
    finally:
        await connection.close()


def load(folder: Path, manifest: Manifest, identity: Identity, url: str, *, ending: str) -> None:
    """Everything up to COMMIT, with `ending` before it. A line that breaks earlier leaves nothing."""
    target = asyncio.run(prepare(url))
    with counted("恢复数据库 load", manifest.dump_bytes) as done, psql(url, target.major) as stdin:
        stdin.write(_opening(target).encode())
        unpacked = Unpacked(Lines(adapted(manifest.owner, target), stdin.write), done)
        with (folder / DATABASE).open("rb") as file:
            unseal(file, unpacked, identity)
        unpacked.lines.end()
        stdin.write((ending + _closing(target)).encode())


@contextmanager
def psql(url: str, major: int) -> Iterator[IO[bytes]]:
    """Its input, one transaction long. LoadFailed with its own words when it refuses something."""
    told = connection_to(url)
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [client_folder(url, major) / "psql", "-X", "-q", "-f", "-", "-o", "/dev/null",
             "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse", "-v", "SHOW_CONTEXT=never",
             f"--dbname={told.url}"],
            env=told.environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said,
            cwd="/", preexec_fn=die_with_parent(signal.SIGKILL),
        )  # fmt: skip
        assert process.stdin is not None
        try:
            with suppress(BrokenPipeError):  # it has said why, and ended
                yield process.stdin
                process.stdin.close()
        except BaseException:
            process.kill()
            raise
        finally:
            process.wait()
        _refuse_failed(process.returncode, said)


def _refuse_failed(code: int, said: IO[bytes]) -> None:
    if code == 0:
        return
    said.seek(0)
    lines = [line for line in said.read().decode(errors="replace").splitlines() if "ERROR" in line]
    why = re.sub(r"^psql:<stdin>:\d+: ", "", lines[0]) if lines else f"psql {code}"
    raise LoadFailed(f"数据库没有恢复,目标数据库没有改动:{why}")


class Unpacked:
    """Unpacks what is decrypted and hands it on as lines."""

    def __init__(self, lines: Lines, done: Callable[[int], None]) -> None:
        self.lines = lines
        self.done = done
        self.unpacker = zlib.decompressobj(GZIP)

    def write(self, data: bytes, /) -> None:
        plain = self.unpacker.decompress(data)
        self.done(len(plain))
        self.lines.write(plain)


def _opening(target: Target) -> str:
    inherit = f"GRANT {DEFINER_ROLE} TO CURRENT_USER WITH INHERIT TRUE;\n" if target.must_inherit else ""
    return "BEGIN;\n" + inherit


def _closing(target: Target) -> str:
    inherit = f"GRANT {DEFINER_ROLE} TO CURRENT_USER WITH INHERIT FALSE;\n" if target.must_inherit else ""
    return f"SET CONSTRAINTS ALL IMMEDIATE;\n{inherit}COMMIT;\n"


def equal_to(manifest: Manifest, identity: Identity) -> str:
    """Statements that fail, naming the table, where what was loaded is not what was dumped."""
    salt = row_salt(identity)
    checks = [
        "DO $check$ DECLARE found_rows bigint; found_digest text; BEGIN\n"
        f"SELECT * FROM ({fingerprint_sql(table.name, salt)}) AS found INTO found_rows, found_digest;\n"
        f"IF found_rows <> {table.rows} OR found_digest <> '{table.digest}' THEN\n"
        f"RAISE EXCEPTION '表 {table.name} 恢复后与备份不一致'; END IF; END $check$;\n"
        for table in manifest.tables
    ]
    return f"{AS_THE_SYSTEM}\n{TEXT_FORM};\n" + "".join(checks)


def start_over(record: str) -> str:
    """Statements after which nobody takes the restored hospital for the one that was lost."""
    return f"{AS_THE_SYSTEM}\n{AFTER.read_text()}\n{record}\n"

"""`jiuyi audit verify` and `jiuyi record` at the terminal."""

import asyncio
import json
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.kernel.crypto import keys_folder
from app.kernel.database import close_pool, open_pool
from app.kernel.settings import settings
from app.traces.chain import public_pem
from tests.traces.sealed_house import another_key, forger, sealed_history


async def _prepare(dsn: str) -> None:
    await open_pool(dsn=dsn)
    await sealed_history(dsn, rounds=3)
    await close_pool()


@pytest.fixture(scope="module")
def house(database_url: str) -> str:
    asyncio.run(_prepare(database_url))
    return database_url


def jiuyi(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def verified(*words: str) -> tuple[int, dict[str, object]]:
    result = jiuyi("audit", "verify", "--json", *words)
    return result.exit_code, json.loads(result.stdout)


def change(dsn: str, sql: str) -> str:
    """Run as a forger; what it returns is one value."""

    async def run() -> str:
        connection = await forger(dsn)
        await connection.execute("SET session_replication_role = 'replica'")
        value = await connection.fetchval(sql)
        await connection.close()
        return str(value)

    return asyncio.run(run())


def test_a_whole_house_ends_with_zero(house: str) -> None:
    code, told = verified("--rows")
    assert (code, told["whole"], told["found"], told["seals"]) == (0, True, 0, 3)
    spoken = jiuyi("audit", "verify")
    assert spoken.exit_code == 0
    assert "完好：没有发现改动。" in spoken.output


def test_what_is_found_is_told_by_place_and_ends_with_one(house: str) -> None:
    entry = change(
        house,
        "UPDATE record_version SET reason = '改' WHERE entry ="
        " (SELECT min(entry) FROM seal_leaf WHERE seal_no = 2 AND source = 'record_version') RETURNING entry",
    )
    code, told = verified()
    assert (code, told["kinds"]) == (1, {"edit": 1})
    spoken = jiuyi("audit", "verify")
    assert spoken.exit_code == 1
    assert f"[改动] 第 2 号封条，表 record_version，记录 {entry}" in spoken.output
    assert verified("--since", "1")[0] == 1
    later, told = verified("--since", "2")
    assert (later, told["seals"]) == (0, 1)
    change(house, f"UPDATE record_version SET reason = '' WHERE entry = {entry} RETURNING entry")
    assert verified()[0] == 0


def test_where_nothing_can_be_told_it_ends_with_two(house: str, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no key")
    for words in (("--anchors", str(tmp_path)), ("--key", str(tmp_path / "no.pem")), ("--since", "99")):
        assert jiuyi("audit", "verify", *words).exit_code == 2, words


def test_a_public_key_is_enough_and_another_ones_is_not(house: str, tmp_path: Path) -> None:
    [public] = settings().anchors[0].glob("*.pub.pem")
    assert verified("--key", str(public))[0] == 0
    (tmp_path / "other.pem").write_bytes(public_pem(another_key(1)))
    code, told = verified("--key", str(tmp_path / "other.pem"))
    assert (code, told["kinds"]) == (1, {"rewrite": 3})
    assert (keys_folder() / "seal_key.pem").stat().st_mode & 0o777 == 0o600


def test_a_records_history_is_shown(house: str) -> None:
    record_id = change(
        house, "SELECT row_id FROM record_version WHERE op = 'D' AND table_name = 'person' LIMIT 1"
    )
    told = jiuyi("record", "person", record_id)
    assert told.exit_code == 0, told.output
    assert "删除" in told.output
    assert "新建" in told.output
    gone = jiuyi("record", "person", record_id, "--at", "2999-01-01T00:00+0800")
    assert gone.exit_code == 1
    assert "version_not_found" in gone.stderr


def test_no_role_of_ours_may_touch_what_is_sealed(house: str) -> None:
    async def attempt(role: str, sql: str) -> None:
        connection = await asyncpg.connect(house)
        try:
            await connection.execute(f"SET ROLE {role}")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(sql)
        finally:
            await connection.close()

    for role in ("jiuyi_app", "jiuyi_worker"):
        for sql in (
            "SELECT * FROM seal_leaf", "DELETE FROM seal", "UPDATE seal SET no = no", "TRUNCATE seal",
            "INSERT INTO record_version (table_name) VALUES ('x')", "SELECT * FROM record_version",
            "UPDATE access_log SET reason = ''",
        ):  # fmt: skip
            asyncio.run(attempt(role, sql))
    asyncio.run(attempt("jiuyi_app", "SELECT * FROM jiuyi.seal_leaves(1)"))


@pytest.mark.parametrize("table", ["seal", "seal_leaf", "record_version", "access_log"])
def test_even_the_owner_meets_a_refusal_first(house: str, table: str) -> None:
    async def attempt() -> None:
        connection = await asyncpg.connect(house)
        try:
            with pytest.raises(asyncpg.RestrictViolationError):
                await connection.execute(f"DELETE FROM {table}")
        finally:
            await connection.close()

    asyncio.run(attempt())

"""The `jiuyi` command on a real database."""

import asyncio
import json

import asyncpg
import pytest
from click.testing import CliRunner, Result

from app import cli
from app.kernel.settings import settings


def jiuyi(*words: str) -> Result:
    return CliRunner().invoke(cli.main, words)


def change(url: str, statement: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(execute())


def test_migrate_may_run_again_and_again(database_url: str):
    assert jiuyi("migrate").exit_code == 0
    assert jiuyi("migrate").exit_code == 0


def test_migrate_refuses_data_of_a_newer_version(database_url: str):
    newer = "('2099-01-01T00:00:00:000000', 'hospital')"
    change(database_url, f"INSERT INTO migration (name, app_name) VALUES {newer}")
    done = jiuyi("migrate")
    change(database_url, "DELETE FROM migration WHERE name LIKE '2099%'")
    assert done.exit_code == 1
    assert done.output.startswith("jiuyi: 数据库来自更新的版本")


def test_the_clock_of_a_demo_hospital_moves_forward_only(database_url: str):
    done = jiuyi("clock", "2099-01-01T08:00+0800")
    assert done.exit_code == 0, done.output
    back = jiuyi("clock", "2026-01-01T08:00+0800")
    assert back.exit_code == 1
    assert "clock_goes_forward" in back.output


@pytest.mark.parametrize(
    "command",
    ["run", "serve", "worker", "migrate", "seed", "simulators", "demo", "import", "bench", "status"],
)
def test_every_command_explains_itself(command: str):
    assert jiuyi(command, "--help").exit_code == 0


def test_the_status_names_what_is_missing_and_exits_with_it(database_url: str):
    shown = jiuyi("status")
    assert shown.exit_code == 1
    assert "没有后台任务进程在运行，请启动 jiuyi worker。" in shown.output
    told = json.loads(jiuyi("status", "--json").output)
    assert told["database"] is True
    assert told["lanes"].keys() == {"urgent", "live", "bulk"}
    assert len(told["troubles"]) == 2


def test_the_status_of_a_house_that_works_exits_with_0(database_url: str):
    change(
        database_url,
        "INSERT INTO process_beat (id, kind, host, pid)"
        " SELECT gen_random_uuid(), kind, 'here', 1 FROM unnest('{serve,worker}'::text[]) kind",
    )
    shown = jiuyi("status")
    change(database_url, "DELETE FROM process_beat")
    assert shown.exit_code == 0, shown.output
    assert "网页与接口 here:1" in shown.output
    assert "注意" not in shown.output
    assert "最近备份 从未" in shown.output


def test_the_status_without_a_database_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:nothing@127.0.0.1:1/none")
    settings.cache_clear()
    try:
        shown = jiuyi("status")
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    assert shown.exit_code == 1
    assert "数据库没有应答，业务全部停止。" in shown.output

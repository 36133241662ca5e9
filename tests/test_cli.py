"""The `jiuyi` command on a real database."""

import asyncio

import asyncpg
import pytest
from click.testing import CliRunner, Result

from app import cli


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
    "command", ["run", "serve", "worker", "migrate", "seed", "simulators", "demo", "import", "bench"]
)
def test_every_command_explains_itself(command: str):
    assert jiuyi(command, "--help").exit_code == 0

"""What the query builder beneath us does wrong, or differently, and that we do not step into it.

The traps of its transactions stand in test_gate.py; taking turns while migrating in test_schema.py.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch_one, fetch_value, query
from app.kernel.ids import new_id
from app.kernel.jobs import claim, enqueue
from app.kernel.tables import Job
from app.piccolo_app import TABLES

ROOT = Path(__file__).resolve().parents[2]
TEST = system("test")

# Why each is left alone: partial indexes and expressions it cannot say (on_conflict), schema-qualified
# names it cannot lock (lock_rows), whole rows it writes back over somebody else's change (save), a
# second event loop (run_sync), an empty list it refuses (is_in), braces it misplaces (raw), and a
# transaction that leaks its connection when COMMIT fails.
LEFT_ALONE = re.compile(r"\.(on_conflict|lock_rows|run_sync|is_in|raw)\(|\.save\(\)|DB\.transaction\(")


def sources() -> list[Path]:
    folders = ("app", "notifications", "mini_program_api", "guide_kiosk", "bedside_terminal")
    return [path for folder in folders for path in (ROOT / folder).rglob("*.py")]


def test_what_goes_wrong_in_the_query_builder_is_left_alone() -> None:
    found = [f"{path}: {m.group()}" for path in sources() for m in LEFT_ALONE.finditer(path.read_text())]
    assert found == []
    assert LEFT_ALONE.search("await Band.select().lock_rows(of=(Band,))"), "the control"


def test_importing_the_house_opens_no_connection() -> None:
    """The engine of the library would connect, and fail, at import."""
    code = "import app.kernel.database, app.piccolo_conf"
    away = {**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=away, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


async def test_stored_json_comes_back_as_text_and_is_read_by_us(db: str) -> None:
    @query
    async def raw(actor: Actor) -> object:
        return await fetch_value("SELECT arguments FROM job WHERE id = $1", job_id)

    job_id = await enqueue(TEST, kind="tests.json", arguments={"a": [1, "二"]})
    assert job_id is not None
    assert isinstance(await raw(TEST), str)
    run = await claim(TEST, job_id=job_id)
    assert run is not None
    assert run.arguments == {"a": [1, "二"]}


async def test_the_query_builder_reads_what_we_wrote(db: str) -> None:
    @query
    async def by_builder(actor: Actor) -> list[dict[str, object]]:
        return await Job.select(Job.kind, Job.status).where(Job.id == job_id)

    job_id = await enqueue(TEST, kind="tests.builder", arguments={})
    assert await by_builder(TEST) == [{"kind": "tests.builder", "status": "due"}]


def test_ids_are_ours_and_sort_by_birth() -> None:
    """PostgreSQL before 18 has no uuidv7(): a default in the database would not run there."""
    ids = [new_id() for _ in range(100)]
    assert ids == sorted(ids)
    assert {id.version for id in ids} == {7}


async def test_a_row_that_forgets_whose_it_is_is_refused(db: str) -> None:
    @action
    async def forget(actor: Actor) -> None:
        await fetch_value("INSERT INTO message (id, kind) VALUES ($1, 'x') RETURNING id", new_id())

    with pytest.raises(asyncpg.NotNullViolationError):
        await forget(TEST)


async def test_no_column_asks_the_database_for_an_id(db: str) -> None:
    @query
    async def defaults(actor: Actor) -> int:
        row = await fetch_one(
            "SELECT count(*) AS n FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type = 'uuid' AND column_default LIKE '%uuid%'"
        )
        assert row is not None
        return row["n"]

    assert TABLES
    assert await defaults(TEST) == 0


@pytest.mark.parametrize("name", ["lambda", "uuid4"])
def test_no_table_has_a_default_that_a_migration_cannot_write(name: str) -> None:
    found = [path for path in sources() if path.name == "tables.py" and name in path.read_text()]
    assert found == []

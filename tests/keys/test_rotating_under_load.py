"""Real processes: two that register the same people, a rotation that is killed, and one that ends it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from faker import Faker

from app.kernel import clock
from app.kernel.actor import system
from app.kernel.crypto import KEY_FILE, Suite, read_key_ring
from app.kernel.settings import ROOT
from app.patients.rules import age_on
from app.seed.copying import copy_rows
from app.seed.people import invented_numbers, patient_rows
from tests.make.rows import value

pytestmark = pytest.mark.commits

TEST = system("test")
SEED = 4711
SETTLE_SECONDS = 1.5  # nothing here waits as long as a transaction may
NEW_PEOPLE = 60
PROCESSES = 2
ADULT_YEARS = 18
COMMAND_SECONDS_MAX = 90.0


def adults(today: date) -> list[str]:
    """Numbers that the 2,000 of the demo hospital do not have; their owners may have a phone of their own."""
    known = invented_numbers(Random(SEED + 1))
    old = (number for number, _, born_on in known if age_on(today, born_on) >= ADULT_YEARS)
    return list(islice(old, NEW_PEOPLE))


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that end with the test, however it ends."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def start(keys: Path, database_url: str, *words: str) -> subprocess.Popen[str]:
    own = {"DATABASE_URL": database_url, "JIUYI_DATA": str(keys.parent), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, env=os.environ | own, text=True, stdout=subprocess.PIPE
    )


def rotation(keys: Path, database_url: str) -> subprocess.Popen[str]:
    words = ["rotate", "--suite", str(Suite.SM4_GCM), "--settle", str(SETTLE_SECONDS)]
    return start(keys, database_url, "-m", "app.cli", "keys", *words)


def lines_of(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    return iter(process.stdout.readline, "")


async def under_keys() -> dict[str, int]:
    told = await value(
        "SELECT json_object_agg(key, rows)::text FROM (SELECT split_part(id_number_index, ':', 1) AS key,"
        " count(*) AS rows FROM person GROUP BY 1) counted"
    )
    return json.loads(told)


async def test_nobody_is_lost_or_doubled_while_keys_rotate_and_the_rotation_is_killed(
    hospital: Path, own_database: str, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    for rows in patient_rows(Faker("zh_CN"), Random(SEED), at=clock.wall()):
        await copy_rows(TEST, rows=rows)
    before = await value("SELECT count(*) FROM person")
    numbers, stop = tmp_path / "numbers.json", tmp_path / "stop"
    numbers.write_text(json.dumps(adults(clock.wall().date() - timedelta(days=1))))
    people = [
        start(hospital, own_database, "-m", "tests.keys.registering_people", str(numbers), str(stop))
        for _ in range(PROCESSES)
    ]
    started += people

    killed = rotation(hospital, own_database)
    started.append(killed)
    assert any("person.id_number" in line for line in lines_of(killed))
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    half = await under_keys()
    assert set(half) == {"1", "2"}, "killed in the middle"
    assert read_key_ring(hospital / KEY_FILE).rotation is not None

    finishing = rotation(hospital, own_database)
    started.append(finishing)
    said = finishing.communicate(timeout=COMMAND_SECONDS_MAX)[0]
    assert finishing.returncode == 0, said
    stop.touch()
    told = [json.loads(one.communicate(timeout=COMMAND_SECONDS_MAX)[0]) for one in people]
    assert [one["lost"] for one in told] == [[]] * PROCESSES
    assert [one["registered"] for one in told] == [NEW_PEOPLE] * PROCESSES
    assert await under_keys() == {"2": before + NEW_PEOPLE}
    assert await value("SELECT count(*) FROM account_login") == NEW_PEOPLE // 5
    assert (await value("SELECT count(DISTINCT split_part(phone, ':', 1)) FROM person")) == 1
    shown = start(hospital, own_database, "-m", "app.cli", "keys", "show").communicate()[0]
    assert [line.split("\t")[:3] for line in shown.splitlines()] == [
        [kind, *key] for kind in ("field", "index") for key in (("1", "aes-gcm"), ("2", "sm4-gcm"))
    ]
    early = start(hospital, own_database, "-m", "app.cli", "keys", "retire")
    assert (early.communicate()[0], early.returncode) == ("", 1)
    assert set(read_key_ring(hospital / KEY_FILE).indexes) == {"1", "2"}

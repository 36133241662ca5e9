"""No ID number, phone number or address lies readable in a dump, the WAL, Redis, the logs or the events.

A whole hospital on servers of its own has its two thousand patients, takes in hundreds more (in the long
form a thousand) from outside, lives through a day and changes its keys in the middle. Then the search opens
what it stores, and looks for every number in everything that was written anywhere.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
import redis

from app import schema
from app.demo.arriving import log_in
from app.demo.callers import SECONDS_MAX, Caller
from app.demo.day import Day
from app.demo.main import STEPS
from app.kernel.crypto import decrypt
from app.kernel.settings import ROOT, settings
from app.keys.sealed import SEALED
from app.launch.accounts import account_for
from app.launch.binaries import postgres_binaries
from app.launch.embedded import embedded_servers
from app.patients.rules import check_character
from app.seed.people import PATIENTS
from tests.evidence import evidence
from tests.hospital import RunningHospital, run_hospital
from tests.scanning import forms_of, found
from tests.visitors import day_at

PHONES, PHONES_LONG = 40, 200
PERSONS_OF_A_PHONE = 5
AT_ONCE = 8
DUMP_SECONDS_MAX = ROTATION_SECONDS_MAX = 60
BORN_ON = "1985-03-04"
PLACES = ("dump", "wal", "redis", "logs", "events")


class Found(msgspec.Struct, frozen=True):
    """Everything that the hospital wrote, by place, and the identifiers that it must not show."""

    phones: int
    former: int  # persons that the rotation found
    files: dict[str, list[Path]]
    told: set[str]  # what people said at their phones
    stored: set[str]  # what decrypts from the database: theirs, the demo hospital's, the day's
    folder: Path
    database_url: str
    redis_url: str


def person(at: int) -> dict[str, Any]:
    """The at-th adult: nobody else has this number, phone or house."""
    first = f"{110101 + at // 1000 * 100}{BORN_ON.replace('-', '')}{at % 1000:03d}"
    return {
        "name": "扫描者",
        "sex": "1" if at % 2 else "2",
        "born_on": BORN_ON,
        "relation": "01567"[at % PERSONS_OF_A_PHONE],
        "id_number": first + check_character(first),
        "phone": f"139{47_110_000 + at}",
        "address": f"浙江省杭州市西湖区文三路{at + 1}号院{at % 40 + 1}栋",
    }


async def come(day: Day, at: int, free: asyncio.Semaphore) -> None:
    """A phone that logs in and binds its owner and the family."""
    async with free:
        phone: Caller = await log_in(day, "wechat", await day.wechat.login_code(await day.wechat.new_payer()))
        for nth in range(PERSONS_OF_A_PHONE):
            await phone.post("/persons", person(at * PERSONS_OF_A_PHONE + nth))


async def live(hospital: RunningHospital, phones: int) -> int:
    """Registrations and logins; then booking, payments, notices, results, a stay. In the middle keys change.

    Returns how many persons had been written under the keys that were then replaced.
    """
    async with httpx.AsyncClient(base_url=hospital.url, timeout=SECONDS_MAX) as http:
        day, free = day_at(hospital, http), asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(come(day, at, free) for at in range(phones // 2)))
        former = await sealed_with_first_keys(hospital.environment["DATABASE_URL"])
        rotation = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app.cli", "keys", "rotate", "--suite", "sm4-gcm", "--settle", "2"),
            cwd=ROOT,
            env=hospital.environment,
            stdout=asyncio.subprocess.DEVNULL,
        )
        await asyncio.gather(*(come(day, at, free) for at in range(phones // 2, phones - 1)))
        for _, _, step in STEPS:
            await step(day)
        assert await asyncio.wait_for(rotation.wait(), ROTATION_SECONDS_MAX) == 0
        await come(day, phones - 1, free)
        for line in day.lines:
            await line.close()
    return former


async def sealed_with_first_keys(database_url: str) -> int:
    connection = await asyncpg.connect(database_url)
    count: int = await connection.fetchval("SELECT count(*) FROM person WHERE id_number LIKE '1:%'")
    await connection.close()
    return count


async def opened(database_url: str) -> set[str]:
    """Every identifier of a person in the database, as its key opens it."""
    connection = await asyncpg.connect(database_url)
    texts: set[str] = set()
    for each in (column for column in SEALED if column.table == "person"):
        for row in await connection.fetch(
            f"SELECT id, {each.column} AS sealed FROM person WHERE {each.column} IS NOT NULL"
        ):
            assert row["sealed"].startswith("2:"), "under the keys that came while it lived"
            texts.add(decrypt(row["sealed"], context=f"{each.place}.{row['id']}"))
    await connection.close()
    return texts


async def dump_events(database_url: str, target: Path) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.fetch("SELECT pg_switch_wal()")
    await connection.copy_from_query("SELECT * FROM event", output=str(target))
    await connection.close()


def dump_database(database_url: str, data: Path, target: Path) -> None:
    program = postgres_binaries(account_for(data / "postgres")) / "pg_dump"
    command = [str(program), f"--dbname={database_url}", "--inserts", f"--file={target}"]
    subprocess.run(command, check=True, timeout=DUMP_SECONDS_MAX)


def dump_redis(url: str, target: Path) -> int:
    """Every key with what it holds; how many there are."""
    client = redis.Redis.from_url(url)
    read = {
        b"string": client.get, b"hash": client.hgetall, b"set": client.smembers, b"stream": client.xrange,
        b"list": lambda key: client.lrange(key, 0, -1), b"zset": lambda key: client.zrange(key, 0, -1),
    }  # fmt: skip
    keys = list(client.scan_iter(count=1000))
    with target.open("wb") as file:
        for key in keys:
            kind: Any = client.type(key)
            held = read[kind](key)
            file.write(key + b" " + (held if isinstance(held, bytes) else repr(held).encode()) + b"\n")
    client.close()
    return len(keys)


def collect(data: Path, folder: Path, database_url: str, redis_url: str) -> dict[str, list[Path]]:
    dump_database(database_url, data, folder / "dump.sql")
    asyncio.run(dump_events(database_url, folder / "events.txt"))
    dump_redis(redis_url, folder / "redis.txt")
    return {
        "dump": [folder / "dump.sql"],
        "wal": sorted(path for path in (data / "postgres/pg_wal").iterdir() if path.is_file()),
        "redis": [folder / "redis.txt"],
        "logs": sorted((data / "log").glob("*.log")),
        "events": [folder / "events.txt"],
    }


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(PHONES, id="short"),
        pytest.param(PHONES_LONG, id="thousand", marks=pytest.mark.long),
    ],
)
def hospital(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Found]:
    """It has lived; its servers still run."""
    data, folder = tmp_path_factory.mktemp("scanned"), tmp_path_factory.mktemp("scan")
    data.chmod(0o755)
    kept = dict(os.environ)
    os.environ["JIUYI_LIMIT_NETWORKS"] = "127.0.0.0/8=exempt"
    try:
        with embedded_servers(data, durable=False) as (database_url, redis_url):
            asyncio.run(schema.migrate(dsn=database_url))
            with run_hospital(database_url=database_url, redis_url=redis_url, data=data) as running:
                former = asyncio.run(live(running, request.param))
            os.environ["JIUYI_DATA"] = str(data)
            settings.cache_clear()
            stored = asyncio.run(opened(database_url))
            people = [person(at) for at in range(request.param * PERSONS_OF_A_PHONE)]
            told = {one[name] for one in people for name in ("id_number", "phone", "address")}
            files = collect(data, folder, database_url, redis_url)
            yield Found(request.param, former, files, told, stored, folder, database_url, redis_url)
    finally:
        os.environ.clear()
        os.environ.update(kept)
        settings.cache_clear()


def test_no_identifier_lies_anywhere_in_plain(hospital: Found) -> None:
    assert len(hospital.told) >= 3 * hospital.phones * PERSONS_OF_A_PHONE
    assert hospital.former >= PATIENTS + hospital.phones // 2 * PERSONS_OF_A_PHONE
    assert hospital.told <= hospital.stored
    assert len(hospital.stored) > len(hospital.told) + PATIENTS
    assert all(any(path.stat().st_size for path in hospital.files[place]) for place in PLACES)
    what = "identifiers searched in all that a hospital wrote while its keys changed"
    with kept(hospital, "identifiers-at-rest", what) as numbers:
        hits = hits_in(hospital, hospital.stored, hospital.files)
        assert hits == {place: set() for place in PLACES}
        numbers |= {"hits": counted(hits), "persons_under_former_keys": hospital.former}


@contextmanager
def kept(hospital: Found, name: str, what: str) -> Iterator[dict[str, Any]]:
    """Of the long form a dated file stays."""
    if hospital.phones != PHONES_LONG:
        yield {}
        return
    with evidence(name, what) as numbers:
        numbers |= {
            "persons_who_came": hospital.phones * PERSONS_OF_A_PHONE,
            "identifiers_told": len(hospital.told),
            "identifiers_searched": len(hospital.stored),
            "bytes": {place: sum(path.stat().st_size for path in hospital.files[place]) for place in PLACES},
        }
        yield numbers


def counted(hits: dict[str, set[str]]) -> dict[str, int]:
    return {place: len(texts) for place, texts in hits.items()}


def hits_in(hospital: Found, texts: set[str], files: dict[str, list[Path]]) -> dict[str, set[str]]:
    return {place: found(texts, files[place], hospital.folder / "patterns") for place in PLACES}


async def plant(url: str, text: str) -> None:
    """One careless line of code: an event that carries a number."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "INSERT INTO event (id, kind, schema_version, aggregate, aggregate_id, aggregate_version, actor_kind,"
        " channel, request_id, business_at, fact)"
        " VALUES (gen_random_uuid(), 'k', 1, 'a', gen_random_uuid(), 1, 'system', 'c',"
        " 'r', now(), jsonb_build_object('careless', $1::text))",
        text,
    )
    await connection.close()


@pytest.mark.plants
def test_control_one_planted_number_is_found_in_each_place(hospital: Found) -> None:
    careless = "11010119850304999X"
    asyncio.run(plant(hospital.database_url, careless))
    redis.Redis.from_url(hospital.redis_url).set("careless", careless)
    log = hospital.files["logs"][0]
    with log.open("ab") as file:
        file.write(f'{{"event": "{careless}"}}\n'.encode())
    files = collect(log.parents[1], hospital.folder, hospital.database_url, hospital.redis_url)
    with kept(hospital, "identifiers-planted", "one planted number, searched in the same way") as numbers:
        hits = hits_in(hospital, hospital.stored | {careless}, files)
        assert hits == {place: {careless} for place in PLACES}
        numbers["hits"] = counted(hits)


@pytest.mark.parametrize("text", ["11010119850304999X", "13947110000", "浙江省杭州市西湖区文三路1号院1栋"])
def test_control_each_form_is_found(tmp_path: Path, text: str) -> None:
    for at, form in enumerate(forms_of(text)):
        file = tmp_path / f"{at}"
        file.write_bytes(b"\x00\xff" * 100 + form + b"\x00\n")
        assert found([text, "13800138000"], [file], tmp_path / "patterns") == {text}
    (tmp_path / "other").write_bytes(b"13900000000")
    assert found([text], [tmp_path / "other"], tmp_path / "patterns") == set()

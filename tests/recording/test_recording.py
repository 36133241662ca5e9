"""The recorder finds what is planted in each place, lets pass what may be read, and fails the run."""

import logging
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
import structlog
from litestar import Litestar, get

from app.kernel.actor import Actor, system
from app.kernel.database import DB, action
from app.kernel.events import emit, fact
from app.kernel.ids import new_id
from app.kernel.settings import ROOT, settings
from tests import suite
from tests.make import identity, patients
from tests.recording.identifiers import numbers_in
from tests.recording.recorder import RECORDER, Place, Recorder
from tests.recording.resting import hear_children, look_at_logs, look_at_redis, look_at_rows
from tests.recording.watching import LibraryLines, LogLine, at_the_door, look_at_command

pytestmark = pytest.mark.plants
TEST = system("test")
CARD, PHONE, NAME = "11010519491231002X", "13812345678", "欧阳娜娜"


@fact(kind="gossip.told", aggregate="gossip", key="gossip_id")
class GossipTold(msgspec.Struct, frozen=True):
    gossip_id: UUID
    said: str


@pytest.mark.parametrize(
    "text",
    [
        CARD, "11010519491231002x", f"x{CARD}x", "110105 19491231 002X", "340524800101001",
        PHONE, "+8613812345678", "86 138-1234-5678", "138 1234 5678", "１３８１２３４５６７８",
        "6222021234510019", "6222 0212 3451 0019", "朝阳区建国路88号",
    ],
)  # fmt: skip
def test_a_number_is_known_however_it_is_written(text: str) -> None:
    assert numbers_in(f'{{"said": "{text}"}}'.encode()) != []


@pytest.mark.parametrize(
    "text",
    [
        "138****5678", "110105********002X", "110105194912310021", "6222021234510018", "0.13812345678",
        "01a20a50-d7a0-7776-b094-a53fd2519c08", "wx13812345678f", "20261123210816138123456789",
        "1号窗口", "3号楼", "1763932096123",
    ],
)  # fmt: skip
def test_what_is_masked_or_no_number_of_a_person_passes(text: str) -> None:
    assert numbers_in(f'{{"said": "{text}"}}'.encode()) == []


def test_a_number_that_a_test_has_made_is_known_beside_letters() -> None:
    assert numbers_in(f"wx{patients.id_number()}".encode()) != []


@get("/said", media_type="application/json")
async def say_it() -> dict[str, str]:
    return {"said": PHONE, "name": NAME}


async def reply_seen(recorder: Recorder, headers: dict[str, str]) -> list[str]:
    app: Any = Litestar([say_it], openapi_config=None)

    async def door(scope: Any, receive: Any, send: Any) -> None:
        await at_the_door(recorder, app, scope, receive, send)

    transport = httpx.ASGITransport(app=door)
    async with httpx.AsyncClient(transport=transport, base_url="http://hospital.test") as client:
        assert (await client.get("/said", headers=headers)).status_code == 200
    return [str(leak) for leak in recorder.leaks]


async def test_a_reply_is_looked_at_with_its_route_and_role(db: str) -> None:
    recorder = Recorder()
    recorder.names.add(NAME)
    told = await reply_seen(recorder, await identity.staff_headers(role="nurse"))
    here = "tests/recording/test_recording.py::test_a_reply_is_looked_at_with_its_route_and_role"
    assert told == [f"responses: GET /said as nurse: 138****5678 (in {here})"]
    assert len(await reply_seen(recorder, {})) == 3, "nobody reads the name, either"
    assert recorder.seen[Place.RESPONSES] == 2


async def test_a_frame_is_looked_at() -> None:
    recorder, sent = Recorder(), list[Any]()
    recorder.names.add(NAME)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for stream in ("zone", "account"):
            await send({"type": "websocket.send", "text": f'{{"s": "{stream}:1", "said": "{NAME}"}}'})
        await send({"type": "websocket.send", "bytes": PHONE.encode()})

    async def send(message: Any) -> None:
        sent.append(message)

    await at_the_door(recorder, app, {"type": "websocket"}, None, send)
    assert [leak.hit for leak in recorder.leaks] == ["欧…娜", "138****5678"], "a phone shows its own people"
    assert (recorder.seen[Place.FRAMES], len(sent)) == (3, 3)


def test_a_log_line_is_looked_at_as_production_writes_it() -> None:
    recorder = Recorder()
    LogLine(recorder)(None, "warning", {"event": f"call {PHONE}"})
    assert (recorder.leaks, recorder.seen[Place.LOGS]) == ([], 1), "production masks it"
    bare = LogLine(recorder, [structlog.processors.JSONRenderer()])
    assert bare(None, "warning", {"event": f"call {PHONE}"}) == {"event": f"call {PHONE}"}
    LibraryLines(recorder).emit(logging.makeLogRecord({"name": "lib", "msg": "card %s", "args": (CARD,)}))
    assert [leak.hit for leak in recorder.leaks] == ["138****5678", "110105********002X"]


def test_the_log_of_a_child_is_looked_at_and_a_simulators_is_not(tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text(f"ready\ncall {PHONE}\n")
    (tmp_path / "simulators.log").write_text(f"payer {PHONE}\n")
    recorder = Recorder()
    look_at_logs(recorder, tmp_path)
    assert [(leak.where, leak.hit) for leak in recorder.leaks] == [("worker.log", "138****5678")]
    assert recorder.seen[Place.LOGS] == 2


async def test_rows_are_looked_at(db: str) -> None:
    @action
    async def tell(actor: Actor, *, said: str) -> None:
        await emit(actor, GossipTold(new_id(), said))

    await tell(TEST, said="nothing")
    await tell(TEST, said=f"call {PHONE}")
    recorder, pool = Recorder(), DB.pool
    await look_at_rows(recorder, pool.connection)  # type: ignore[union-attr] - the rolled back pool's
    assert [(leak.where, leak.hit) for leak in recorder.leaks] == [("event", "138****5678")]
    assert recorder.seen[Place.EVENTS] >= 4, "two events, two places in the outbox"


async def test_redis_is_looked_at(servers: tuple[str, str]) -> None:
    import redis

    recorder, key = Recorder(), str(new_id())
    with redis.Redis.from_url(settings().redis_url) as client:
        client.hset(key, "said", PHONE)
        look_at_redis(recorder, settings().redis_url)
        client.delete(key)
    assert [leak.hit for leak in recorder.leaks if key in leak.where] == ["138****5678"]
    seen = recorder.seen[Place.REDIS]
    look_at_command(recorder, [b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$18\r\n", CARD.encode(), b"\r\n"])
    assert recorder.leaks[-1].hit == "110105********002X"
    assert recorder.seen[Place.REDIS] == seen + 1


def test_what_a_child_saw_counts_for_its_parent(tmp_path: Path) -> None:
    child, parent = Recorder(tmp_path / "1.json"), Recorder()
    child.look(Place.FRAMES, "/rt", b"nothing")
    child.look(Place.FRAMES, "/rt", PHONE.encode())
    hear_children(parent, tmp_path)
    assert (parent.seen, parent.leaks) == (child.seen, child.leaks)
    assert len(parent.leaks) == 1


def test_a_test_that_plants_is_not_the_runs_fault_nor_is_what_it_leaves_behind() -> None:
    recorder = Recorder()
    recorder.planting = True
    recorder.look(Place.EVENTS, "event", PHONE.encode())
    recorder.planting = False
    recorder.look(Place.EVENTS, "event", PHONE.encode())
    assert recorder.leaks == []
    recorder.look(Place.EVENTS, "event", PHONE.encode() + b" again")
    assert len(recorder.leaks) == 1


CONFTEST = "from tests.recording.run import *\n"
LEAKING = f"""
from tests.recording.recorder import RECORDER, Place

def test_it():
    RECORDER.look(Place.RESPONSES, "GET /said as nurse", {PHONE.encode()!r} if LEAKS else b"nothing")
"""


@pytest.mark.parametrize(
    ("leaks", "workers"),
    [(True, ()), (True, ("-n", "1")), (False, ())],
    ids=["a leak", "a leak in a worker", "no leak"],
)
def test_a_leak_fails_the_run_with_place_route_and_test(
    tmp_path: Path, leaks: bool, workers: tuple[str, ...]
) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_leaking.py").write_text(f"LEAKS = {leaks}{LEAKING}")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *workers, "test_leaking.py"]
    variables = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    expected = "LEAKED responses: GET /said as nurse: 138****5678 (in test_leaking.py::test_it)"
    assert (expected in done.stdout) == leaks, done.stdout + done.stderr
    assert done.returncode == int(leaks), done.stdout
    assert "recorded: 1 responses, 0 frames" in done.stdout
    assert "1 passed" in done.stdout


def test_this_run_is_recorded() -> None:
    assert structlog.get_config()["processors"][0].recorder is RECORDER


@pytest.mark.parametrize(("told", "fails"), [("3 responses, 0 frames", 1), ("3 responses, 2 frames", 0)])
def test_a_suite_that_saw_nothing_of_a_kind_fails(
    told: str, fails: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "seen", Counter())
    monkeypatch.setattr(suite, "summaries", [])
    for part in (told, "1 responses, 0 frames"):
        read, write = os.pipe()
        os.write(write, f"..\nrecorded: {part}; 0 identifiers leaked\n1 passed in 2 s\n".encode())
        os.close(write)
        with os.fdopen(read, "rb") as output:
            assert suite.passed_on(output) == "1 passed in 2 s"
    assert suite.something_was_seen() == fails
    assert suite.summaries == [f"recorded in all: 4 responses, {2 - 2 * fails} frames"]

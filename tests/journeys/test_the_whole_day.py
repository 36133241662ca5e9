"""`jiuyi demo` as a person types it: twice, for machines, and late at night."""

import json
import subprocess
import sys
from datetime import datetime, timedelta

from app.demo.day import Day
from app.demo.main import STEPS
from app.kernel.clock import LOCAL
from app.kernel.settings import ROOT
from tests.hospital import RunningHospital

DEMO_SECONDS_MAX = 90


def play(hospital: RunningHospital, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "demo", "--url", hospital.url, *options],
        env=hospital.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEMO_SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_day_can_be_played_as_often_as_one_likes(running_hospital: RunningHospital) -> None:
    text = play(running_hospital)
    assert [line[0] for line in text.splitlines()] == ["✓"] * len(STEPS)

    steps = [json.loads(line) for line in play(running_hospital, "--json").splitlines()]
    assert [step["step"] for step in steps] == [name for name, _, _ in STEPS]
    assert all(step["ok"] for step in steps)


async def test_at_night_the_day_begins_with_the_next_morning(
    day: Day, running_hospital: RunningHospital
) -> None:
    admin = await day.staff("admin")
    now = (await day.business_now(admin)).astimezone(LOCAL)
    await admin.post("/clock", {"at": now.replace(hour=23, minute=30, second=0).isoformat()})

    first, *_, last = [json.loads(line) for line in play(running_hospital, "--json").splitlines()]

    assert first["ok"]
    assert last["step"] == "books"
    morning = (await day.business_now(admin)).astimezone(LOCAL)
    assert (morning.date(), morning.hour) == (now.date() + timedelta(days=1), 8)
    assert morning > datetime.combine(now.date(), now.time(), LOCAL)


def test_a_day_without_a_hospital_says_so(running_hospital: RunningHospital) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "demo", "--url", "http://127.0.0.1:9"],
        env=running_hospital.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEMO_SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 1
    assert "✗" in done.stdout

"""`jiuyi demo` as a person types it, and again for machines, late at night."""

import json
import subprocess
import sys
from datetime import timedelta

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


def test_a_day_is_played_and_every_step_holds(running_hospital: RunningHospital) -> None:
    text = play(running_hospital)

    assert [line[0] for line in text.splitlines()] == ["✓"] * len(STEPS)


async def test_played_again_at_night_it_begins_with_the_next_morning(
    day: Day, running_hospital: RunningHospital
) -> None:
    admin = await day.staff("system_admin")
    now = (await day.business_now(admin)).astimezone(LOCAL)
    await admin.post("/clock", {"at": now.replace(hour=23, minute=30, second=0).isoformat()})

    steps = [json.loads(line) for line in play(running_hospital, "--json").splitlines()]

    assert [(step["step"], step["ok"]) for step in steps] == [(name, True) for name, _, _ in STEPS]
    morning = (await day.business_now(admin)).astimezone(LOCAL)
    assert (morning.date(), morning.hour) == (now.date() + timedelta(days=1), 8)


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

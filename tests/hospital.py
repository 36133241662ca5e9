"""A whole hospital in processes of its own, as `jiuyi run` makes one: for tests that stand outside."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import uuid_utils

from app.demo.logging_in import StaffSessions
from app.kernel.settings import ROOT, Settings
from app.launch import environment, plan
from app.launch.logins import own_login
from app.launch.plan import Task
from app.launch.postgres import free_port
from app.launch.processes import POLL_SECONDS, Child, open_log, spawn, stop_all
from app.launch.readiness import address_of, answers_as
from tests.recording.recorder import RECORDER
from tests.recording.resting import begin_hearing, hear_children, look_at_logs, recorded

READY_SECONDS_MAX = 60.0
SEED_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 5.0


@dataclass(frozen=True)
class RunningHospital:
    """Where it answers, and the files that tell who may come in."""

    url: str
    data: Path
    environment: dict[str, str]
    staff_sessions: StaffSessions = field(default_factory=StaffSessions)

    @cached_property
    def credentials(self) -> dict[str, Any]:
        return told(self.data / "demo" / "credentials.json")

    @cached_property
    def cards(self) -> dict[str, dict[str, Any]]:
        """What each payment simulator says of itself."""
        return {name: told(self.data / "simulators" / f"{name}.json") for name in ("wechat_pay", "alipay")}


def told(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


@contextmanager
def run_hospital(*, database_url: str, redis_url: str, data: Path) -> Iterator[RunningHospital]:
    """On a migrated, empty database: seed, simulators, worker and server, until the block ends."""
    config = Settings(data=data, port=free_port())
    run = environment.Run(
        pid=os.getpid(),
        instance=str(uuid_utils.uuid7()),
        address=address_of(config),
        database_url=database_url,
        redis_url=redis_url,
    )
    # The suite's own settings are in our environment, too: what this hospital is made of comes last.
    variables = environment.for_children(config, run) | {
        "JIUYI_DEMO": "1",
        "JIUYI_ANCHORS": str(data / "anchors"),
        "JIUYI_SIMULATORS": str(data / "simulators"),
    }
    wanted = plan.hospital(demo=True)
    with ExitStack() as stack:
        children: list[Child] = []
        stack.callback(stop_all, children, patience_seconds=STOP_SECONDS_MAX)
        children += [start(task, variables, data) for task in wanted.early]
        seed = next(task for task in wanted.first if task.name == "seed")
        finish(seed, start(seed, variables, data), data)
        heard = begin_hearing(data / "recording", database_url)
        for task in wanted.services:
            own = own_login(database_url, task.login)
            assert own is not None, f"{task.login} cannot log in"
            children.append(start(recorded(task), variables | heard | {"DATABASE_URL": own}, data))
        await_ready(config, run.instance, children)
        yield RunningHospital(run.address, data, variables)
    hear_children(RECORDER, data / "recording")
    look_at_logs(RECORDER, data / "log")


def start(task: Task, variables: dict[str, str], data: Path) -> Child:
    """From the checkout, where the settings of coverage are."""
    with open_log(data / "log" / f"{task.name}.log") as output:
        return spawn(task.name, task.argv, env=variables, log=output, cwd=ROOT)


def finish(task: Task, child: Child, data: Path) -> None:
    try:
        child.popen.wait(SEED_SECONDS_MAX)
    finally:
        child.sweep()
    assert child.popen.returncode == 0, (data / "log" / f"{task.name}.log").read_text()


def await_ready(config: Settings, instance: str, children: list[Child]) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while not answers_as(config, instance):
        dead = [child.name for child in children if not child.alive()]
        assert not dead, f"{dead} did not stay, see {config.data / 'log'}"
        assert time.monotonic() < deadline, (
            f"not ready within {READY_SECONDS_MAX:.0f} s: {config.data / 'log'}"
        )
        time.sleep(POLL_SECONDS)

"""Two servers on fresh data that differ in one thing: whether their walls stand."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import uuid_utils

from app.kernel.settings import ROOT, Settings, settings
from app.launch import environment, plan
from app.launch.embedded import embedded_servers
from app.launch.postgres import free_port
from app.launch.processes import Child, last_line, open_log, spawn, stop_all, wait_while
from app.launch.readiness import address_of, answers_as
from app.launch.refusals import CannotStart
from bench.databases import ask_nothing, database, look_at, lower_walls, raise_walls

READY_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 5.0
PREPARE_SECONDS_MAX = 300.0
WORDS = {True: "on", False: "off"}


class Hospital(msgspec.Struct, frozen=True, kw_only=True):
    """A server to be asked, and the variables that its processes see."""

    config: Settings
    instance: str
    variables: dict[str, str]


@contextmanager
def hospitals(walls: list[bool], *, audited: bool) -> Iterator[tuple[dict[bool, Hospital], bytes]]:
    """By whether their walls stand, until the block ends; and the plan of what to ask them."""
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jiuyi-bench-")))
        data.chmod(0o755)  # the embedded server's account passes through
        database_url, redis_url = stack.enter_context(servers(data))
        walled_url = stack.enter_context(database(database_url, "walled"))
        walled = hospital(data, walled_url, redis_url)
        asks = prepare(walled)
        lowered = lower_walls(walled_url)
        open_url = stack.enter_context(database(database_url, "open", template=walled_url))
        ask_nothing(open_url)
        raise_walls(walled_url, lowered)
        for url in (walled_url, open_url):
            look_at(url)
        known = {True: walled, False: hospital(data, open_url, redis_url)}
        wanted = {stand: known[stand] for stand in walls}
        children: list[Child] = []
        stack.callback(stop_all, children, patience_seconds=STOP_SECONDS_MAX)
        for stand, one in wanted.items():
            words = (sys.executable, "-m", "bench.serve", WORDS[stand], WORDS[audited])
            children.append(start(one, words))
            await_ready(one, children[-1])
        yield wanted, asks


@contextmanager
def servers(data: Path) -> Iterator[tuple[str, str]]:
    """DATABASE_URL and REDIS_URL where both are set, else embedded ones with all their safety on."""
    given = (settings().database_url, settings().redis_url)
    if all(given):
        yield given
    else:
        with embedded_servers(data) as urls:
            yield urls


def hospital(data: Path, database_url: str, redis_url: str) -> Hospital:
    config = Settings(data=data, port=free_port())
    run = environment.Run(
        pid=os.getpid(),
        instance=str(uuid_utils.uuid7()),
        address=address_of(config),
        database_url=database_url,
        redis_url=redis_url,
    )
    # One name for all: a token of the one opens the other, so that both are asked the very same.
    name = {"JIUYI_PUBLIC_URL": "http://localhost"}
    variables = environment.for_children(config, run) | {"JIUYI_DEMO": "1"} | name
    return Hospital(config=config, instance=run.instance, variables=variables)


def prepare(one: Hospital) -> bytes:
    """Tables, the demo hospital, and a busy one's rows on top of it, which no wall may keep out."""
    finish(one, (*plan.JIUYI, "migrate"))
    finish(one, (*plan.JIUYI, "seed"))
    lowered = lower_walls(one.variables["DATABASE_URL"])
    asks = one.config.data / "asks.json"
    finish(one, (sys.executable, "-m", "bench.filling", str(asks)))
    raise_walls(one.variables["DATABASE_URL"], lowered)
    return asks.read_bytes()


def finish(one: Hospital, words: tuple[str, ...], told: bytes = b"") -> bytes:
    """What the process says on its stdout, having been told something on its stdin."""
    done = subprocess.run(
        words, input=told, capture_output=True, env=one.variables, cwd=ROOT, timeout=PREPARE_SECONDS_MAX,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise CannotStart(f"{' '.join(words[1:4])} 没有完成：{done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout


def start(one: Hospital, words: tuple[str, ...]) -> Child:
    with open_log(log_of(one)) as output:
        return spawn("serve", words, env=one.variables, log=output, cwd=ROOT)


def log_of(one: Hospital) -> Path:
    return one.config.data / "log" / f"{one.config.port}.log"


def await_ready(one: Hospital, child: Child) -> None:
    def starting() -> bool:
        return child.alive() and not answers_as(one.config, one.instance)

    if not wait_while(starting, READY_SECONDS_MAX) or not child.alive():
        raise CannotStart(f"服务没有启动：{last_line(log_of(one))}")

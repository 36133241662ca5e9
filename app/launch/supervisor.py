"""`jiuyi run`: the servers, the preparation, the services; all of them end with us."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

import uuid_utils

from app.kernel.settings import ROOT, Settings
from app.launch import environment, log_files
from app.launch.embedded import SERVERS_SECONDS
from app.launch.lock import hold
from app.launch.logins import own_login
from app.launch.plan import Plan, Task
from app.launch.postgres import Postgres, start_postgres
from app.launch.processes import (
    POLL_SECONDS,
    Child,
    die_with_make,
    last_line,
    open_log,
    spawn,
    stop_all,
)
from app.launch.readiness import (
    address_of,
    answers_as,
    refuse_open_plain_http,
    refuse_port_in_use,
)
from app.launch.refusals import CannotStart, StopRequested
from app.launch.screen import Stages, show_ready
from app.launch.services import Service, restart_dead
from app.launch.valkey import start_valkey

SERVICES_SECONDS = 2.5  # for requests and jobs in hand; with the servers' time below five seconds
READY_SECONDS = 90.0
WATCH_SECONDS = 0.2
LOOK_SECONDS = 0.1


def run(plan: Plan, config: Settings) -> None:
    """Returns after Ctrl-C or SIGTERM; raises CannotStart with the sentence to show."""
    die_with_make(environment.inherited())
    stages = Stages()
    try:
        with signals_raise() as wish:
            Supervisor(plan, config, stages, wish).run()
    except StopRequested:
        stages.say("已停止 stopped")


class Supervisor:
    """One run of a plan, from the lock on the data directory to the last process gone."""

    def __init__(self, plan: Plan, config: Settings, stages: Stages, wish: "StopWish") -> None:
        self.plan = plan
        self.config = config
        self.stages = stages
        self.wish = wish
        self.postgres: Postgres | None = None
        self.services: list[Service] = []
        self.tasks: list[Child] = []  # every child that is neither PostgreSQL nor Valkey
        self.servers: list[Child] = []
        self.notes: list[str] = []
        self.keep_logs_at = 0.0

    def run(self) -> None:
        refuse_open_plain_http(self.config)
        with hold(self.config.data) as self.lock:
            refuse_port_in_use(self.config)
            try:
                self.bring_up()
                self.watch()
            finally:
                self.stop()

    def bring_up(self) -> None:
        self.stages.say(f"数据目录 {self.config.data}")
        beside = [(task, self.start(task, environment.inherited())) for task in self.plan.beside]
        told = self.tell(self.start_postgres(), self.start_valkey())
        variables = environment.for_children(self.config, told)
        self.serve(self.plan.early, variables)
        for task in self.plan.first:
            self.finish(task, self.start(task, variables))
        self.serve(self.plan.services, variables)
        for task, child in beside:
            self.await_beside(task, child)
        self.await_ready(told.instance)
        show_ready(told.address, self.config.data, self.stages.seconds(), self.notes)

    def start_postgres(self) -> str:
        if self.config.database_url:
            self.stages.say("使用 DATABASE_URL 指定的 PostgreSQL")
            return self.config.database_url
        self.postgres = start_postgres(self.config.data, self.lock, durable=True)
        self.servers.append(self.postgres.child)
        self.stages.say(f"PostgreSQL 就绪 127.0.0.1:{self.postgres.port}")
        return self.postgres.url

    def start_valkey(self) -> str:
        if self.config.redis_url:
            self.stages.say("使用 REDIS_URL 指定的 Redis")
            return self.config.redis_url
        valkey = start_valkey(self.config.data, self.lock)
        self.servers.append(valkey.child)

        def again() -> Child:
            child = start_valkey(self.config.data, self.lock, port=valkey.port).child
            self.servers.append(child)
            return child

        self.services.append(Service("valkey", valkey.child, again))
        self.stages.say(f"Valkey 就绪 127.0.0.1:{valkey.port}")
        return valkey.url

    def tell(self, database_url: str, redis_url: str) -> environment.Run:
        told = environment.Run(
            pid=os.getpid(),
            instance=str(uuid_utils.uuid7()),
            address=address_of(self.config),
            database_url=database_url,
            redis_url=redis_url,
        )
        environment.tell(self.config.data, told)
        return told

    def start(self, task: Task, variables: dict[str, str]) -> Child:
        with open_log(self.log(task)) as output:
            child = spawn(task.name, task.argv, env=variables, log=output, cwd=ROOT, keep_open=(self.lock,))
        self.tasks = [one for one in self.tasks if one.alive()] + [child]
        return child

    def serve(self, tasks: tuple[Task, ...], variables: dict[str, str]) -> None:
        for task in tasks:
            start = partial(self.start, task, self.with_own_login(task, variables))
            self.services.append(Service(task.name, start(), start))

    def with_own_login(self, task: Task, variables: dict[str, str]) -> dict[str, str]:
        if not task.login:
            return variables
        url = own_login(variables["DATABASE_URL"], task.login)
        if url is None:
            self.stages.say(f"数据库没有 {task.login} 的登录，{task.label}以属主账号登录后切换角色")
            return variables
        return variables | {"DATABASE_URL": url}

    def stop(self) -> None:
        self.stages.say("正在停止 stopping")
        stop_all(self.tasks, patience_seconds=SERVICES_SECONDS)
        stop_all(self.servers, patience_seconds=SERVERS_SECONDS)
        environment.forget(self.config.data)

    def finish(self, task: Task, child: Child) -> None:
        while child.alive():
            self.wish.heed()
            time.sleep(POLL_SECONDS)
        if child.popen.returncode != 0:
            raise CannotStart(self.why(task, f"{task.label}没有完成"))
        self.stages.say(f"{task.label}完成")

    def await_beside(self, task: Task, child: Child) -> None:
        """The hospital works without its pages; so a failed build is told, not fatal."""
        try:
            self.finish(task, child)
        except CannotStart as error:
            self.notes.append(str(error))

    def await_ready(self, instance: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        tasks = {task.name: task for task in (*self.plan.early, *self.plan.services)}
        while not answers_as(self.config, instance):
            for service in self.services:
                if not service.child.alive() and service.name in tasks:
                    task = tasks[service.name]
                    raise CannotStart(self.why(task, f"{task.label}没有启动"))
            if time.monotonic() > deadline:
                raise CannotStart(f"{READY_SECONDS:.0f} 秒内没有就绪。请查看 {self.config.data / 'log'}")
            self.wish.heed()
            time.sleep(LOOK_SECONDS)

    def watch(self) -> None:
        while self.postgres is None or self.postgres.child.alive():
            self.wish.heed()
            restart_dead(self.services, self.stages.say)
            self.keep_logs()
            time.sleep(WATCH_SECONDS)
        log = self.config.data / "log" / "postgres.log"
        raise CannotStart(f"PostgreSQL 意外停止,医院随之停止:{last_line(log)}。完整记录:{log}")

    def keep_logs(self) -> None:
        if time.monotonic() < self.keep_logs_at:
            return
        self.keep_logs_at = time.monotonic() + log_files.LOOK_SECONDS
        try:
            gone = log_files.keep_logs(self.config.data / "log", bytes_max=self.config.logs_bytes)
        except OSError as error:
            self.stages.say(f"运行记录没有整理成功:{error}")
        else:
            for path in gone:
                self.stages.say(f"运行记录超过 JIUYI_LOGS_BYTES,已删除最早的 {path.name}")

    def log(self, task: Task) -> Path:
        return self.config.data / "log" / f"{task.name}.log"

    def why(self, task: Task, what: str) -> str:
        log = self.log(task)
        line = last_line(log)
        if line.startswith("jiuyi: "):  # its own refusal is a whole sentence already
            return line.removeprefix("jiuyi: ")
        return f"{what}:{line}。完整记录:{log}"


class StopWish:
    """Ctrl-C, SIGTERM or SIGHUP: raised where it is heard, and remembered.

    Python drops what a handler raises inside a callback, such as those that run after a fork; so
    the loops heed the wish again. Later signals do nothing: they must not interrupt the unwinding.
    The handler stays in place, as an ignored signal would stay ignored in every child.
    """

    def __init__(self) -> None:
        self.heard = False

    def hear(self, _signum: int, _frame: FrameType | None) -> None:
        if not self.heard:
            self.heard = True
            raise StopRequested

    def heed(self) -> None:
        if self.heard:
            raise StopRequested


@contextmanager
def signals_raise() -> Iterator[StopWish]:
    """A signal between fork and bookkeeping could lose a child: it then dies with us (PDEATHSIG)."""
    wish = StopWish()
    before = {one: signal.signal(one, wish.hear) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield wish
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)

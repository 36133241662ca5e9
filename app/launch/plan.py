"""What `jiuyi run` starts, as data: the order of preparation, and the processes that stay."""

import shutil
import sys
from pathlib import Path

import msgspec

from app.kernel.settings import ROOT

JIUYI = (sys.executable, "-m", "app.cli")


class Task(msgspec.Struct, frozen=True):
    """One child process. `label` is what the person at the terminal reads.

    `login` is the database role that it logs in as; without one it is handed the owner's login.
    """

    name: str
    label: str
    argv: tuple[str, ...]
    login: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`beside` runs along with everything else; `first` one after another; the services stay.

    The early ones need nothing of what `first` prepares, so their start costs no time.
    """

    beside: tuple[Task, ...] = ()
    early: tuple[Task, ...] = ()
    first: tuple[Task, ...] = ()
    services: tuple[Task, ...] = ()


def hospital(*, demo: bool) -> Plan:
    migrate = Task("migrate", "数据库结构", (*JIUYI, "migrate"))
    seed = Task("seed", "演示医院数据", (*JIUYI, "seed"))
    return Plan(
        beside=web_build(ROOT),
        first=(migrate, seed) if demo else (migrate,),
        early=(Task("simulators", "支付模拟器", (*JIUYI, "simulators")),) if demo else (),
        services=(
            Task("worker", "后台任务", (*JIUYI, "worker"), login="jiuyi_worker"),
            Task("serve", "网页与接口", (*JIUYI, "serve"), login="jiuyi_app"),
        ),
    )


def web_build(root: Path) -> tuple[Task, ...]:
    """In a checkout the pages are built here; an installed package brings them along."""
    if (root / "web" / "package.json").exists() and shutil.which("make"):
        return (Task("web", "网页构建", ("make", "--no-print-directory", "-C", str(root), "web")),)
    return ()

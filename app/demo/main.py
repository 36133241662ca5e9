"""`jiuyi demo`: one patient's day, played against a running hospital from outside, each step asserted."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec

from app.demo import arriving, rights, staying, treating
from app.demo.callers import SECONDS_MAX, Refused, StepBroken
from app.demo.day import Day
from app.demo.logging_in import StaffSessions
from app.kernel.settings import settings

Step = tuple[str, str, Callable[[Day], Awaitable[str]]]

STEPS: list[Step] = [
    ("open", "医院开门", arriving.open_day),
    ("bind", "登录与绑定就诊人", arriving.log_in_and_bind),
    ("hold", "选号占号", arriving.hold),
    ("pay", "支付挂号费", arriving.pay),
    ("check_in", "自助机签到取号", arriving.check_in),
    ("called", "医生叫号", arriving.be_called),
    ("consult", "问诊与开单", treating.consult),
    ("pay_orders", "合并缴费", treating.pay_orders),
    ("laboratory", "检验", treating.laboratory),
    ("pharmacy", "取药", treating.pharmacy),
    ("bedside", "住院床旁终端", staying.bedside),
    ("close", "就诊结束", treating.close),
    ("rights", "谁看过我的资料", rights.see_who_looked),
    ("books", "双方账目一致", treating.compare_books),
]


class Outcome(msgspec.Struct, frozen=True):
    """One line of `--json`."""

    step: str
    ok: bool
    seconds: float
    detail: str


def run(url: str, as_json: bool) -> int:  # noqa: FBT001 - the command's own flag
    """Play the day against `url`; 0 when every step held, 1 at the first broken one."""
    say = _as_json if as_json else _as_text
    try:
        return asyncio.run(_play(url.rstrip("/"), say))
    except OSError as error:
        say(Outcome("start", ok=False, seconds=0, detail=f"没有找到正在运行的演示医院：{error}"))
        return 1


async def _play(url: str, say: Callable[[Outcome], None]) -> int:
    credentials = _read(settings().data / "demo/credentials.json")
    cards = {name: _read(settings().data / f"simulators/{name}.json") for name in ("wechat_pay", "alipay")}
    async with httpx.AsyncClient(base_url=url, timeout=SECONDS_MAX) as http:
        day = Day(http, url, credentials, cards, StaffSessions())
        try:
            for name, _, step in STEPS:
                outcome = await _outcome(name, step, day)
                say(outcome)
                if not outcome.ok:
                    return 1
        finally:
            for line in day.lines:
                await line.close()
    return 0


async def _outcome(name: str, step: Callable[[Day], Awaitable[str]], day: Day) -> Outcome:
    started = time.monotonic()
    try:
        detail = await step(day)
    except (StepBroken, Refused, httpx.HTTPError, OSError) as broken:
        return Outcome(name, ok=False, seconds=time.monotonic() - started, detail=str(broken) or repr(broken))
    return Outcome(name, ok=True, seconds=round(time.monotonic() - started, 3), detail=detail)


def _read(path: Path) -> dict[str, Any]:
    return msgspec.json.decode(path.read_bytes())


def _as_json(outcome: Outcome) -> None:
    sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
    sys.stdout.flush()


def _as_text(outcome: Outcome) -> None:
    title = next((title for name, title, _ in STEPS if name == outcome.step), outcome.step)
    mark = "✓" if outcome.ok else "✗"
    sys.stdout.write(f"{mark} {title:　<9} {outcome.seconds:5.2f} 秒  {outcome.detail}\n")
    sys.stdout.flush()

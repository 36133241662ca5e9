"""Processes that are started again when they die, ever more slowly while they keep dying."""

import time
from collections.abc import Callable, Iterable

from app.launch.processes import Child
from app.launch.refusals import CannotStart

FIRST_SECONDS = 0.5
SLOWEST_SECONDS = 30.0
HEALTHY_SECONDS = 60.0  # having lived this long, a service's next death is its first


class Service:
    """A child, how to start it again, and when."""

    def __init__(self, name: str, child: Child, start: Callable[[], Child]) -> None:
        self.name = name
        self.child = child
        self.start = start
        self.deaths = 0
        self.again_at = 0.0

    @property
    def waiting(self) -> bool:
        return self.again_at > 0


def pause_seconds(deaths: int) -> float:
    """0.5, 1, 2, 4 ... 30: a service that cannot live must not eat the machine."""
    return min(SLOWEST_SECONDS, FIRST_SECONDS * 2 ** min(deaths - 1, 16))


def restart_dead(services: Iterable[Service], say: Callable[[str], None]) -> None:
    now = time.monotonic()
    for service in services:
        if service.waiting:
            if now >= service.again_at:
                restart(service, say)
        elif not service.child.alive():
            mourn(service, now, say)


def mourn(service: Service, now: float, say: Callable[[str], None]) -> None:
    service.child.sweep()
    if now - service.child.started > HEALTHY_SECONDS:
        service.deaths = 0
    postpone(service, f"{service.name} 意外退出(代码 {service.child.popen.returncode})", say)


def restart(service: Service, say: Callable[[str], None]) -> None:
    try:
        service.child = service.start()
        service.again_at = 0.0
        say(f"{service.name} 已重新启动")
    except CannotStart as error:
        postpone(service, str(error), say)


def postpone(service: Service, what: str, say: Callable[[str], None]) -> None:
    service.deaths += 1
    seconds = pause_seconds(service.deaths)
    service.again_at = time.monotonic() + seconds
    say(f"{what},{seconds:g} 秒后重新启动")

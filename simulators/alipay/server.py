"""Alipay, put together."""

from datetime import datetime
from pathlib import Path

from simulators.alipay import control, gateway
from simulators.alipay.bills import open_desk
from simulators.alipay.paying import lapse
from simulators.alipay.platform import Alipay
from simulators.alipay.refunds import finish_old
from simulators.alipay.telling import hire_courier
from simulators.clock import Now
from simulators.running import Business


def opened(folder: Path, now: Now) -> Alipay:
    """The platform with its book, keys, courier and bill desk, not yet serving."""
    platform = Alipay(folder, now)
    platform.courier = hire_courier(platform)
    platform.desk = open_desk(platform)
    return platform


def opens(folder: Path, now: Now) -> Business:
    platform = opened(folder, now)

    def tick(now: datetime) -> None:
        lapse(platform, now)
        finish_old(platform, now)
        platform.desk.close_due(now)

    return Business(
        platform=platform,
        api=gateway.app(platform),
        control=control.app(platform),
        card=platform.card,
        tick=tick,
    )

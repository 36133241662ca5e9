"""The short message service, put together."""

from datetime import datetime
from pathlib import Path

from simulators.clock import Now
from simulators.running import Business
from simulators.sms import control, gateway
from simulators.sms.platform import Sms
from simulators.sms.reports import deliver_due, hire_courier


def opened(folder: Path, now: Now) -> Sms:
    """The platform with its book, secret and courier, not yet serving."""
    platform = Sms(folder, now)
    platform.courier = hire_courier(platform)
    return platform


def opens(folder: Path, now: Now) -> Business:
    platform = opened(folder, now)

    def tick(now: datetime) -> None:
        deliver_due(platform, now)

    return Business(
        platform=platform,
        api=gateway.app(platform),
        control=control.app(platform),
        card=platform.card,
        tick=tick,
    )

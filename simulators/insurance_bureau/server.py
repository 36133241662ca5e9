"""The insurance bureau, put together."""

from datetime import datetime
from pathlib import Path

from simulators.clock import Now
from simulators.insurance_bureau import control, gate
from simulators.insurance_bureau.platform import Bureau
from simulators.notices import Courier, Envelope, Manners
from simulators.running import Business


def opened(folder: Path, now: Now) -> Bureau:
    """The platform with its book and keys, not yet serving. It tells nothing unasked."""
    platform = Bureau(folder, now)
    manners = Manners(
        compose=lambda notice, _fault, _now: Envelope(notice.content.encode(), {}),
        accepts=lambda status, _body: status == 200,
        retry_after=(),
    )
    platform.courier = Courier(platform.store, now, platform.faults, manners)
    return platform


def opens(folder: Path, now: Now) -> Business:
    platform = opened(folder, now)

    def tick(_now: datetime) -> None:
        """Everything here expires when it is looked at."""

    return Business(
        platform=platform,
        api=gate.app(platform),
        control=control.app(platform),
        card=platform.card,
        tick=tick,
    )

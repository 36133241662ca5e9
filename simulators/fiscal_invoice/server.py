"""The fiscal platform, put together."""

from datetime import datetime
from pathlib import Path

from simulators.clock import Now
from simulators.fiscal_invoice import control, gateway
from simulators.fiscal_invoice.platform import FiscalInvoice
from simulators.fiscal_invoice.telling import draw_due, hire_courier
from simulators.running import Business


def opened(folder: Path, now: Now) -> FiscalInvoice:
    """The platform with its book, secret and courier, not yet serving."""
    platform = FiscalInvoice(folder, now)
    platform.courier = hire_courier(platform)
    return platform


def opens(folder: Path, now: Now) -> Business:
    platform = opened(folder, now)

    def tick(now: datetime) -> None:
        draw_due(platform, now)

    def card(base_url: str) -> dict[str, str]:
        platform.base_url = base_url
        return platform.card(base_url)

    return Business(
        platform=platform,
        api=gateway.app(platform),
        control=control.app(platform),
        card=card,
        tick=tick,
    )

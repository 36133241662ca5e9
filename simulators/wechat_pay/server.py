"""WeChat Pay, put together."""

from datetime import datetime
from pathlib import Path

from simulators.clock import Now
from simulators.running import Business
from simulators.wechat_pay import control, mixed_orders, mixed_paying, refunds, routes
from simulators.wechat_pay.bills import open_desk
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.telling import hire_courier


def opened(folder: Path, now: Now) -> WechatPay:
    """The platform with its book, keys, courier and bill desk, not yet serving."""
    platform = WechatPay(folder, now)
    platform.courier = hire_courier(platform)
    platform.desk = open_desk(platform)
    return platform


def opens(folder: Path, now: Now) -> Business:
    platform = opened(folder, now)

    def tick(now: datetime) -> None:
        mixed_orders.lapse(platform, now)
        mixed_paying.settle_due(platform, now)
        refunds.finish_due(platform, now)
        platform.desk.close_due(now)

    return Business(
        platform=platform,
        api=routes.app(platform),
        control=control.app(platform),
        card=lambda _base_url: platform.card(),
        tick=tick,
    )

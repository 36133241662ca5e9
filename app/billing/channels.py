"""The channels of this process: one adapter each, opened when first used, closed with the process."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin

import msgspec

from app.billing.alipay import Alipay, AlipayConfig
from app.billing.channel import Channel
from app.billing.tables import ChannelName
from app.billing.wechat_pay import WechatConfig, WechatPay
from app.kernel.errors import Unavailable
from app.kernel.settings import settings

C = TypeVar("C", bound=msgspec.Struct)

NOTIFY_PATH = "/pay/notify/"


class ChannelAway(Unavailable):
    code = "pay_channel_unavailable"
    message = "该支付方式暂时不可用，请换一种方式或稍后重试。"


def _wechat() -> Channel:
    return WechatPay(_config("wechat_pay", WechatConfig), notify_url=notify_url(ChannelName.WECHAT))


def _alipay() -> Channel:
    return Alipay(_config("alipay", AlipayConfig), notify_url=notify_url(ChannelName.ALIPAY))


MAKERS: dict[ChannelName, Callable[[], Channel]] = {
    ChannelName.WECHAT: _wechat,
    ChannelName.ALIPAY: _alipay,
}

_open: dict[ChannelName, Channel] = {}


def channel(name: ChannelName) -> Channel:
    """The process's adapter of a channel, or ChannelAway where it is not set up."""
    if name not in _open:
        _open[name] = MAKERS[name]()
    return _open[name]


async def close_channels() -> None:
    """Close the pooled clients; the next use opens them again with the present settings."""
    while _open:
        _, adapter = _open.popitem()
        await adapter.aclose()


def notify_url(name: ChannelName) -> str:
    """Where a channel tells us: without a query string, which WeChat Pay would refuse."""
    ours = settings()
    return urljoin(ours.public_url or f"http://{ours.host}:{ours.port}", NOTIFY_PATH + name)


def _config(name: str, form: type[C]) -> C:
    given = settings()
    folder = Path(given.simulators) if given.simulators else given.data / "simulators"
    try:
        return msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=form, dec_hook=_path)
    except (OSError, msgspec.DecodeError) as error:
        raise ChannelAway(channel=name) from error


def _path(kind: type, value: str) -> Path:
    assert kind is Path
    return Path(value)

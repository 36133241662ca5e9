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
    return WechatPay(
        _config(FILES[ChannelName.WECHAT], WechatConfig), notify_url=notify_url(ChannelName.WECHAT)
    )


def _alipay() -> Channel:
    return Alipay(_config(FILES[ChannelName.ALIPAY], AlipayConfig), notify_url=notify_url(ChannelName.ALIPAY))


MAKERS: dict[ChannelName, Callable[[], Channel]] = {
    ChannelName.WECHAT: _wechat,
    ChannelName.ALIPAY: _alipay,
}

FILES = {ChannelName.WECHAT: "wechat_pay", ChannelName.ALIPAY: "alipay"}

_open: dict[ChannelName, tuple[int, Channel]] = {}
_left: list[Channel] = []  # of settings that changed: calls under way may still use them


def channel(name: ChannelName) -> Channel:
    """The process's adapter of a channel, or ChannelAway where it is not set up.

    A changed file (a moved simulator, a new key) opens a new adapter.
    """
    written = _written(FILES[name])
    if name in _open and _open[name][0] != written:
        _left.append(_open.pop(name)[1])
    if name not in _open:
        _open[name] = (written, MAKERS[name]())
    return _open[name][1]


async def close_channels() -> None:
    """Close the pooled clients; the next use opens them again with the present settings."""
    for adapter in [*_left, *(adapter for _, adapter in _open.values())]:
        await adapter.aclose()
    _left.clear()
    _open.clear()


def notify_url(name: ChannelName) -> str:
    """Where a channel tells us: without a query string, which WeChat Pay would refuse."""
    ours = settings()
    return urljoin(ours.public_url or f"http://{ours.host}:{ours.port}", NOTIFY_PATH + name)


def _file(name: str) -> Path:
    given = settings()
    folder = Path(given.simulators) if given.simulators else given.data / "simulators"
    return folder / f"{name}.json"


def _written(name: str) -> int:
    try:
        return _file(name).stat().st_mtime_ns
    except OSError as error:
        raise ChannelAway(channel=name) from error


def _config(name: str, form: type[C]) -> C:
    try:
        return msgspec.json.decode(_file(name).read_bytes(), type=form, dec_hook=_path)
    except (OSError, msgspec.DecodeError) as error:
        raise ChannelAway(channel=name) from error


def _path(kind: type, value: str) -> Path:
    assert kind is Path
    return Path(value)

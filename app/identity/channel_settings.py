"""How the outside platforms are reached: one JSON file per platform, written by whoever runs them."""

from pathlib import Path
from typing import TypeVar

import msgspec

from app.kernel.errors import Unavailable
from app.kernel.settings import settings

S = TypeVar("S", bound=msgspec.Struct)


class PlatformUnavailable(Unavailable):
    code = "platform_unavailable"
    message = "登录平台暂时无法连接，您没有登录，请稍后重试。"


def read_channel(name: str, form: type[S]) -> S:
    """The fields of NAME.json that `form` wants. Read each time: simulators move between starts."""
    path = _folder() / f"{name}.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=form)
    except (OSError, msgspec.DecodeError) as error:
        raise PlatformUnavailable(channel=name) from error


def _folder() -> Path:
    given = settings().simulators
    return Path(given) if given else settings().data / "simulators"

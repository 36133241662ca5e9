"""The control API's part about keys: look at them, rotate them, give certificates up, try them out."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from litestar import delete, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta

from simulators.notices import is_deliverable
from simulators.people import PhoneRefusal
from simulators.running import rewrite_card
from simulators.wechat_pay import security_echo
from simulators.wechat_pay.key_ring import KeptKey
from simulators.wechat_pay.platform import WechatPay, new_public_key_id

TEN_DAYS_S = 10 * 24 * 3600.0  # the platform publishes a new certificate ten days before the old one ends
Seconds = Annotated[float, Meta(ge=0, le=10 * 365 * 24 * 3600)]


class CertificateRotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Business seconds from now: until the old certificate goes, and until the new one signs (half of it)."""

    overlap_seconds: Seconds = TEN_DAYS_S
    signs_after_seconds: Seconds | None = None

    def __post_init__(self) -> None:
        if self.signs_after() > self.overlap_seconds:
            raise ValueError("the new certificate must sign before the old one goes")

    def signs_after(self) -> float:
        return self.overlap_seconds / 2 if self.signs_after_seconds is None else self.signs_after_seconds


class PublicKeyRotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    overlap_seconds: Seconds = TEN_DAYS_S


class Echo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Signed for a merchant who knows the key with this serial number or id; by default the public key."""

    notify_url: str
    echo_message: Annotated[str, Meta(min_length=1)] = "hello"
    serial: str = ""


@get("/keys")
async def show_keys(state: State) -> dict[str, Any]:
    """Every key there ever was, and which one signs for whom now."""
    platform: WechatPay = state.platform
    now, ring = await platform.now(), platform.ring
    return {
        "signing_certificate": ring.certificate_serial(now),
        "public_key": ring.public_key_id(),
        "certificates": [_shown(kept) for kept in ring.kept.certificates],
        "public_keys": [_shown(kept) for kept in ring.kept.public_keys],
    }


@post("/certificates/rotations")
async def rotate_certificate(state: State, data: JSONBody[CertificateRotation]) -> dict[str, Any]:
    """A new certificate appears beside the old."""
    platform: WechatPay = state.platform
    now = await platform.now()
    _check_quiet(platform, now)
    if not platform.ring.listed(now):
        raise PhoneRefusal(409, "CERTIFICATES_GIVEN_UP", "商户已只用微信支付公钥，平台不再签发证书")
    fresh = platform.ring.rotate_certificate(
        now,
        signs_after=timedelta(seconds=data.signs_after()),
        overlap=timedelta(seconds=data.overlap_seconds),
    )
    return _published(platform, fresh)


@post("/public-keys/rotations")
async def rotate_public_key(state: State, data: JSONBody[PublicKeyRotation]) -> dict[str, Any]:
    """A new public key, good at once, beside the old."""
    platform: WechatPay = state.platform
    now = await platform.now()
    _check_quiet(platform, now)
    fresh = platform.ring.rotate_public_key(
        now,
        new_public_key_id(platform.identity.mchid),
        overlap=timedelta(seconds=data.overlap_seconds),
    )
    return _published(platform, fresh)


@delete("/certificates", status_code=200)
async def give_up_certificates(state: State) -> dict[str, Any]:
    """The merchant ends its switch: only the public key from now on."""
    platform: WechatPay = state.platform
    now = await platform.now()
    _check_quiet(platform, now)
    platform.ring.give_up_certificates(now)
    public_key, _none = platform.ring.newest()
    return _published(platform, public_key)


@post("/security-echoes")
async def send_echo(state: State, data: JSONBody[Echo]) -> dict[str, Any]:
    """Send the self-test notification without being asked."""
    platform: WechatPay = state.platform
    now = await platform.now()
    signer = data.serial or platform.ring.public_key_id()
    if not platform.ring.knows(signer, now):
        raise PhoneRefusal(404, "NO_SUCH_KEY", "没有这把有效的公钥或证书，GET /keys 列出全部")
    if not is_deliverable(data.notify_url):
        raise PhoneRefusal(400, "URL_INVALID", "notify_url 须为不带参数的公网 https 地址或本机地址")
    if security_echo.is_too_long(data.echo_message):
        raise PhoneRefusal(400, "MESSAGE_TOO_LONG", "echo_message 太长，通知里放不下它的密文")
    return {"id": security_echo.notify(platform, data.notify_url, data.echo_message, signer=signer, now=now)}


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    show_keys,
    rotate_certificate,
    rotate_public_key,
    give_up_certificates,
    send_echo,
)


def _check_quiet(platform: WechatPay, now: datetime) -> None:
    """One change at a time: the platform lets nobody switch to the public key while certificates change."""
    if platform.ring.is_rotating(now):
        raise PhoneRefusal(409, "ROTATION_UNDER_WAY", "上一次更换尚未结束，旧密钥失效后才能再换")


def _published(platform: WechatPay, newest: KeptKey) -> dict[str, Any]:
    rewrite_card(platform.folder, platform, platform.card())
    return _shown(newest)


def _shown(kept: KeptKey) -> dict[str, Any]:
    return {"id": kept.id, "signs_from": kept.signs_from or None, "retires_at": kept.retires_at}

"""The mini-program platform: login codes, the access token, phone numbers.

Always HTTP 200; `errcode` says how it went. Codes and tokens expire in business time.
"""

import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from app.kernel.clock import LOCAL
from simulators.faults import Part
from simulators.people import Errand, Payer, redeem_code
from simulators.store import loaded, stored
from simulators.wechat_pay.platform import WechatPay

TOKEN_LIFE = timedelta(hours=2)
TOKEN_OVERLAP = timedelta(minutes=5)
FORCED_A_DAY_MAX = 20
BETWEEN_FORCED = timedelta(seconds=30)
LOGINS_A_MINUTE_MAX = 100
MADE_UP_PREFIX = "199"


class MiniCall(NamedTuple):
    query: Mapping[str, str]
    body: bytes
    now: datetime  # business time


Answer = Callable[[WechatPay, MiniCall], dict[str, Any]]


class TokenRequest(msgspec.Struct, frozen=True):
    grant_type: str
    appid: str
    secret: str
    force_refresh: bool = False


class PhoneRequest(msgspec.Struct, frozen=True):
    code: str
    openid: str | None = None


class PhoneNumber(msgspec.Struct, frozen=True):
    country_code: str
    number: str


class MiniProgramRefusal(Exception):
    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(errmsg)
        self.errcode = errcode
        self.errmsg = errmsg


def code_to_session(platform: WechatPay, call: MiniCall) -> dict[str, Any]:
    """Who opened the mini-program: a hundred times a minute, and nobody whom the platform distrusts."""
    _is_ours(platform, call.query.get("appid", ""), call.query.get("secret", ""))
    if call.query.get("grant_type") != "authorization_code":
        raise MiniProgramRefusal(40002, "invalid grant_type")
    payer = redeem_code(platform.store, call.query.get("js_code", ""), Errand.LOGIN)
    if payer is None:
        raise MiniProgramRefusal(40029, "invalid code")
    if platform.faults.take(Part.LOGIN, endpoint="jscode2session", text=payer.id):
        raise MiniProgramRefusal(40226, "code blocked")
    _count_login(platform, payer, call.now)
    return {"openid": payer.id, "session_key": b64encode(secrets.token_bytes(16)).decode()}


def stable_token(platform: WechatPay, call: MiniCall) -> dict[str, Any]:
    """The same token until five minutes before its end; then a new one, and both are good.

    Forced, the old one ends at once: twenty times a Beijing day, and not again within thirty seconds
    (then the present one is answered).
    """
    asked = parse(call.body, TokenRequest)
    _is_ours(platform, asked.appid, asked.secret)
    if asked.grant_type != "client_credential":
        raise MiniProgramRefusal(40002, "invalid grant_type")
    with platform.store.transaction():
        if asked.force_refresh and _may_force(platform, call.now):
            platform.store.run("delete from access_token")
            platform.store.run("insert into forced_refresh (at) values (:now)", now=stored(call.now))
        token, expires_at = _present_token(platform, call.now)
    return {"access_token": token, "expires_in": int((expires_at - call.now).total_seconds())}


def phone_number(platform: WechatPay, call: MiniCall) -> dict[str, Any]:
    """The number behind a code from the phone-number button, which is not a login code."""
    check_token(platform, call)
    asked = parse(call.body, PhoneRequest)
    payer = redeem_code(platform.store, asked.code, Errand.PHONE_NUMBER)
    if payer is None:
        raise MiniProgramRefusal(40029, "invalid code")
    if asked.openid is not None and asked.openid != payer.id:
        raise MiniProgramRefusal(40003, "invalid openid")
    kept = number_of(platform, payer)
    is_domestic = kept.country_code == "86"
    return {
        "errcode": 0,
        "errmsg": "ok",
        "phone_info": {
            "phoneNumber": kept.number if is_domestic else f"+{kept.country_code} {kept.number}",
            "purePhoneNumber": kept.number,
            "countryCode": kept.country_code,
            "watermark": {"timestamp": int(call.now.timestamp()), "appid": platform.identity.appid},
        },
    }


def number_of(platform: WechatPay, payer: Payer) -> PhoneNumber:
    """The payer's number; whoever has none gets a made-up one and keeps it."""
    made_up = f"{MADE_UP_PREFIX}{secrets.randbelow(10**8):08d}"
    platform.store.run(
        """insert into phone_number (openid, country_code, number) values (:openid, '86', :number)
           on conflict do nothing""",
        openid=payer.id,
        number=made_up,
    )
    row = platform.store.row(
        "select country_code, number from phone_number where openid = :openid", openid=payer.id
    )
    assert row is not None
    return PhoneNumber(row["country_code"], row["number"])


def give_number(platform: WechatPay, payer: Payer, number: PhoneNumber) -> None:
    platform.store.run(
        """insert into phone_number (openid, country_code, number) values (:openid, :country, :number)
           on conflict (openid) do update set country_code = :country, number = :number""",
        openid=payer.id,
        country=number.country_code,
        number=number.number,
    )


def check_token(platform: WechatPay, call: MiniCall) -> None:
    token = call.query.get("access_token", "")
    if not token:
        raise MiniProgramRefusal(41001, "access_token missing")
    expires_at = platform.store.value("select expires_at from access_token where token = :token", token=token)
    if expires_at is None:
        raise MiniProgramRefusal(40001, "invalid credential, access_token is invalid or not latest")
    if loaded(expires_at) <= call.now:
        raise MiniProgramRefusal(42001, "access_token expired")


def parse(body: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise MiniProgramRefusal(47001, "data format error") from error


def _is_ours(platform: WechatPay, appid: str, secret: str) -> None:
    if appid != platform.identity.appid:
        raise MiniProgramRefusal(40013, "invalid appid")
    if not secrets.compare_digest(secret.encode(), platform.identity.app_secret.encode()):
        raise MiniProgramRefusal(40125, "invalid appsecret")


def _count_login(platform: WechatPay, payer: Payer, now: datetime) -> None:
    minute_ago = stored(now - timedelta(minutes=1))
    platform.store.run(
        "delete from login where openid = :openid and at <= :ago", openid=payer.id, ago=minute_ago
    )
    recent = platform.store.value("select count(*) from login where openid = :openid", openid=payer.id)
    if recent >= LOGINS_A_MINUTE_MAX:
        raise MiniProgramRefusal(45011, "api minute-quota reach limit")
    platform.store.run(
        "insert into login (openid, at) values (:openid, :now)", openid=payer.id, now=stored(now)
    )


def _may_force(platform: WechatPay, now: datetime) -> bool:
    midnight = now.astimezone(LOCAL).replace(hour=0, minute=0, second=0, microsecond=0)
    today = platform.store.rows(
        "select at from forced_refresh where at >= :midnight order by at", midnight=stored(midnight)
    )
    if len(today) >= FORCED_A_DAY_MAX:
        raise MiniProgramRefusal(45009, "reach max api daily quota limit")
    last = platform.store.value("select max(at) from forced_refresh")
    return last is None or loaded(last) + BETWEEN_FORCED <= now


def _present_token(platform: WechatPay, now: datetime) -> tuple[str, datetime]:
    row = platform.store.row(
        "select token, expires_at from access_token where expires_at > :soon order by expires_at",
        soon=stored(now + TOKEN_OVERLAP),
    )
    if row is not None:
        return row["token"], loaded(row["expires_at"])
    token, expires_at = secrets.token_urlsafe(96), now + TOKEN_LIFE
    platform.store.run(
        "insert into access_token (token, expires_at) values (:token, :expires_at)",
        token=token,
        expires_at=stored(expires_at),
    )
    return token, expires_at

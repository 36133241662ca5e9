"""The mini-program platform: login codes, the access token, subscription messages.

Always HTTP 200; `errcode` says how it went.
"""

import re
import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from app.kernel.clock import wall
from simulators.people import find_payer, redeem_code
from simulators.store import loaded, stored
from simulators.wechat_pay.platform import WechatPay

TOKEN_LIFE = timedelta(hours=2)
TOKEN_OVERLAP = timedelta(minutes=5)

# What each kind of template field may hold; the name before the digits is the kind.
FIELD_RULES: dict[str, re.Pattern[str]] = {
    "thing": re.compile(r".{1,20}\Z", re.DOTALL),
    "number": re.compile(r"-?[0-9.]{1,32}\Z"),
    "letter": re.compile(r"[A-Za-z]{1,32}\Z"),
    "symbol": re.compile(r"[^\w]{1,5}\Z"),
    "character_string": re.compile(r"[\x21-\x7e]{1,32}\Z"),
    "time": re.compile(r".{0,40}\d{1,2}:\d{2}.{0,40}\Z"),
    "date": re.compile(r"\d{4}[年/.-]\d{1,2}[月/.-]\d{1,2}日?.{0,30}\Z"),
    "amount": re.compile(r"[^\d]?\d{1,10}(\.\d{1,2})?元?\Z"),
    "phone_number": re.compile(r"[0-9+() -]{1,17}\Z"),
    "car_number": re.compile(r".{1,8}\Z"),
    "name": re.compile(r"([\u4e00-\u9fff·]{1,10}|[A-Za-z .]{1,20})\Z"),
    "phrase": re.compile(r"[\u4e00-\u9fff]{1,5}\Z"),
}
FIELD_NAME = re.compile(r"([a-z_]+?)\d+\Z")


class TokenRequest(msgspec.Struct, frozen=True):
    grant_type: str
    appid: str
    secret: str
    force_refresh: bool = False


class Word(msgspec.Struct, frozen=True):
    value: str


class MessageRequest(msgspec.Struct, frozen=True):
    touser: str
    template_id: Annotated[str, Meta(min_length=1)]
    data: dict[str, Word]
    page: str = ""
    miniprogram_state: str = "formal"
    lang: str = "zh_CN"


class MiniProgramRefusal(Exception):
    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(errmsg)
        self.errcode = errcode
        self.errmsg = errmsg


def code_to_session(platform: WechatPay, query: Mapping[str, str], _body: bytes) -> dict[str, Any]:
    _is_ours(platform, query.get("appid", ""), query.get("secret", ""))
    if query.get("grant_type") != "authorization_code":
        raise MiniProgramRefusal(40002, "invalid grant_type")
    payer = redeem_code(platform.store, query.get("js_code", ""))
    if payer is None:
        raise MiniProgramRefusal(40029, "invalid code")
    return {"openid": payer.id, "session_key": b64encode(secrets.token_bytes(16)).decode()}


def stable_token(platform: WechatPay, _query: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The same token until five minutes before its end; then a new one, and both are good."""
    asked = _parse(body, TokenRequest)
    _is_ours(platform, asked.appid, asked.secret)
    if asked.grant_type != "client_credential":
        raise MiniProgramRefusal(40002, "invalid grant_type")
    now = wall()
    if asked.force_refresh:
        platform.store.run("delete from access_token")
    row = platform.store.row(
        "select token, expires_at from access_token where expires_at > :soon order by expires_at",
        soon=stored(now + TOKEN_OVERLAP),
    )
    if row is None:
        token, expires_at = secrets.token_urlsafe(96), now + TOKEN_LIFE
        platform.store.run(
            "insert into access_token (token, expires_at) values (:token, :expires_at)",
            token=token,
            expires_at=stored(expires_at),
        )
    else:
        token, expires_at = row["token"], loaded(row["expires_at"])
    return {"access_token": token, "expires_in": int((expires_at - now).total_seconds())}


def send_message(platform: WechatPay, query: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """One consent, one message."""
    _check_token(platform, query.get("access_token", ""))
    asked = _parse(body, MessageRequest)
    if find_payer(platform.store, asked.touser) is None:
        raise MiniProgramRefusal(40003, "invalid openid")
    _check_words(asked.data)
    with platform.store.transaction():
        used = platform.store.run(
            """update subscription set remaining = remaining - 1
               where openid = :openid and template_id = :template and remaining > 0""",
            openid=asked.touser,
            template=asked.template_id,
        )
        if used == 0:
            raise MiniProgramRefusal(43101, "user refuse to accept the msg")
        platform.store.run(
            """insert into message (openid, template_id, page, data, sent_at)
               values (:openid, :template, :page, :data, :now)""",
            openid=asked.touser,
            template=asked.template_id,
            page=asked.page,
            data=msgspec.json.encode({k: w.value for k, w in asked.data.items()}).decode(),
            now=stored(wall()),
        )
    return {"errcode": 0, "errmsg": "ok", "msgid": secrets.randbelow(10**15)}


def consent(platform: WechatPay, *, openid: str, template_id: str, count: int) -> int:
    """The payer taps "allow": this many more messages; returns how many may be sent now."""
    return platform.store.value(
        """insert into subscription (openid, template_id, remaining)
           values (:openid, :template, :count)
           on conflict (openid, template_id) do update set remaining = remaining + :count
           returning remaining""",
        openid=openid,
        template=template_id,
        count=count,
    )


Answer = Callable[[WechatPay, Mapping[str, str], bytes], dict[str, Any]]


def _is_ours(platform: WechatPay, appid: str, secret: str) -> None:
    if appid != platform.identity.appid:
        raise MiniProgramRefusal(40013, "invalid appid")
    if not secrets.compare_digest(secret.encode(), platform.identity.app_secret.encode()):
        raise MiniProgramRefusal(40125, "invalid appsecret")


def _check_token(platform: WechatPay, token: str) -> None:
    expires_at = platform.store.value("select expires_at from access_token where token = :token", token=token)
    if expires_at is None:
        raise MiniProgramRefusal(40001, "invalid credential, access_token is invalid")
    if loaded(expires_at) <= wall():
        raise MiniProgramRefusal(42001, "access_token expired")


def _check_words(data: Mapping[str, Word]) -> None:
    for name, word in data.items():
        kind = FIELD_NAME.match(name)
        rule = FIELD_RULES.get(kind[1]) if kind else None
        if rule is None or not rule.match(word.value):
            raise MiniProgramRefusal(47003, f"argument invalid! data.{name}.value invalid")


def _parse(body: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise MiniProgramRefusal(47001, "data format error") from error

"""WeChat's code2session: the mini-program's login code becomes an openid."""

import logging

import httpx
import msgspec

from app.identity.channel_settings import PlatformUnavailable, read_channel
from app.kernel.errors import Unauthenticated

# httpx tells every address to its log, and this platform wants the app secret in the address.
logging.getLogger("httpx").setLevel(logging.WARNING)

SECONDS_MAX = 5.0
CODE_REFUSED = {40029, 40163, 40226}  # invalid, used already, blocked as risky
CODE_LENGTH_MAX = 256


class LoginCodeRefused(Unauthenticated):
    code = "login_code_refused"
    message = "平台登录码无效或已过期，请重新打开小程序登录。"


class WechatApp(msgspec.Struct, frozen=True):
    base_url: str
    appid: str
    app_secret: str


class Code2Session(msgspec.Struct, frozen=True):
    openid: str = ""
    errcode: int = 0


async def subject_of(code: str) -> str:
    """The openid behind a login code, or a refusal. The session key is not kept: nothing here needs it."""
    if not code or len(code) > CODE_LENGTH_MAX:
        raise LoginCodeRefused
    app = read_channel("wechat_pay", WechatApp)
    answer = await _ask(app, code)
    if answer.errcode in CODE_REFUSED:
        raise LoginCodeRefused
    if answer.errcode != 0 or not answer.openid:
        raise PlatformUnavailable(channel="wechat", errcode=answer.errcode)
    return answer.openid


async def _ask(app: WechatApp, code: str) -> Code2Session:
    wanted = {
        "appid": app.appid,
        "secret": app.app_secret,
        "js_code": code,
        "grant_type": "authorization_code",
    }
    try:
        async with httpx.AsyncClient(base_url=app.base_url, timeout=SECONDS_MAX, trust_env=False) as client:
            reply = await client.get("/sns/jscode2session", params=wanted)
            reply.raise_for_status()
            return msgspec.json.decode(reply.content, type=Code2Session)
    except (httpx.HTTPError, msgspec.DecodeError) as error:
        # The request's address holds the app secret, so the cause's text must not reach a log.
        raise PlatformUnavailable(channel="wechat", cause=type(error).__name__) from None

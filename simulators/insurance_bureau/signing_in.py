"""Signing in and out (9001, 9002): a sign_no is good until its Beijing day ends."""

import secrets
from datetime import datetime, timedelta

from app.kernel.clock import LOCAL
from simulators.insurance_bureau.calls import Call, Output, Transaction
from simulators.insurance_bureau.fields import Field, node, written
from simulators.insurance_bureau.platform import Bureau
from simulators.insurance_bureau.refusals import not_signed_in, refused
from simulators.store import loaded, stored

SIGN_IN = (
    Field("opter_no", "操作员编号", 30),
    Field("mac", "签到MAC地址", 20),
    Field("ip", "签到IP地址", 20),
)
SIGN_OUT = (Field("sign_no", "签到编号", 30), Field("opter_no", "操作员编号", 30))


def sign_in(platform: Bureau, call: Call) -> Output:
    asked = node(call.input, "signIn", SIGN_IN)
    sign_no = secrets.token_hex(15)
    midnight = (call.now.astimezone(LOCAL) + timedelta(days=1)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    platform.store.run(
        "insert into sign_in values (:sign_no, :opter_no, :at, :expires_at)",
        sign_no=sign_no,
        opter_no=asked["opter_no"],
        at=stored(call.now),
        expires_at=stored(midnight),
    )
    return {"signinoutb": {"sign_time": written(call.now), "sign_no": sign_no}}


def sign_out(platform: Bureau, call: Call) -> Output:
    asked = node(call.input, "signOut", SIGN_OUT)
    ended = platform.store.run(
        """update sign_in set expires_at = :now
           where sign_no = :sign_no and opter_no = :opter_no and expires_at > :now""",
        now=stored(call.now),
        **asked,
    )
    if ended == 0:
        raise refused("sign_no：签到编号不存在、已失效或不属于该操作员")
    return {"signoutoutb": {"sign_time": written(call.now)}}


def check(platform: Bureau, call: Call) -> None:
    """Whoever has not signed in today does no business."""
    sign_no = call.head["sign_no"]
    if not sign_no:
        raise not_signed_in("sign_no：未签到，请先签到（9001）")
    expires_at = platform.store.value("select expires_at from sign_in where sign_no = :no", no=sign_no)
    if expires_at is None:
        raise not_signed_in("sign_no：签到编号不存在，请先签到（9001）")
    if loaded(expires_at) <= call.now:
        raise not_signed_in("sign_no：签到已失效，请重新签到（9001）")


def end_all(platform: Bureau, now: datetime) -> None:
    platform.store.run("update sign_in set expires_at = :now where expires_at > :now", now=stored(now))


TRANSACTIONS = {
    "9001": Transaction("签到", sign_in, needs_sign_no=False),
    "9002": Transaction("签退", sign_out, needs_sign_no=False),
}

"""A person's login through the platform whose mini-program runs on the phone."""

from uuid import UUID

from app.identity import alipay_login, wechat_login
from app.identity.roles import Platform
from app.identity.sessions import Login, grant_code, require_challenge
from app.kernel.actor import ANONYMOUS, Actor, ActorKind
from app.kernel.crypto import blind_index, blind_indexes, encrypt
from app.kernel.database import action, fetch_one, fetch_value
from app.kernel.errors import Forbidden
from app.kernel.ids import new_id

CHANNEL = "mini_program"
SUBJECT_COLUMN = "account_login.subject"
ASK_PLATFORM = {Platform.WECHAT: wechat_login.subject_of, Platform.ALIPAY: alipay_login.subject_of}


class AccountDisabled(Forbidden):
    code = "account_disabled"
    message = "该账号已停用，请到医院服务台处理。"


async def log_in_account(*, platform: Platform, code: str, challenge: str) -> str:
    """An authorization code for whom the platform says it is; a first login makes the account."""
    require_challenge(challenge)
    subject = await ASK_PLATFORM[platform](code)
    return await _log_in(ANONYMOUS, platform=platform, subject=subject, challenge=challenge)


@action
async def _log_in(actor: Actor, *, platform: Platform, subject: str, challenge: str) -> str:
    account_id = await ensure_account(actor, platform=platform, subject=subject)
    row = await fetch_one("SELECT auth_version, disabled_at FROM account WHERE id = $1", account_id)
    assert row is not None
    if row["disabled_at"] is not None:
        raise AccountDisabled(account_id=account_id)
    login = Login(
        kind=ActorKind.ACCOUNT,
        id=account_id,
        channel=CHANNEL,
        role="",
        auth_version=row["auth_version"],
    )
    return await grant_code(actor, login=login, challenge=challenge)


@action
async def ensure_account(actor: Actor, *, platform: Platform, subject: str) -> UUID:
    """The account of a platform's subject, made where there is none. Two first logins make one."""
    index = f"{platform}:{subject}"
    known = await _account_of(platform, index)
    if known is None:
        await fetch_value("SELECT jiuyi.hold_indexes($1)", blind_indexes(index, column=SUBJECT_COLUMN))
        known = await _account_of(platform, index)  # made while we waited
    return known or await _make_account(platform, subject, index)


async def _make_account(platform: Platform, subject: str, index: str) -> UUID:
    account_id, login_id = new_id(), new_id()
    await fetch_value("INSERT INTO account (id, auth_version) VALUES ($1, 1)", account_id)
    await fetch_value(
        "INSERT INTO account_login (id, account_id, platform, subject, subject_index)"
        " VALUES ($1, $2, $3, $4, $5)",
        login_id,
        account_id,
        str(platform),
        encrypt(subject, context=f"{SUBJECT_COLUMN}.{login_id}"),
        blind_index(index, column=SUBJECT_COLUMN),
    )
    return account_id


async def _account_of(platform: Platform, index: str) -> UUID | None:
    return await fetch_value(
        "SELECT account_id FROM account_login WHERE platform = $1 AND subject_index = ANY($2)",
        str(platform),
        blind_indexes(index, column=SUBJECT_COLUMN),
    )

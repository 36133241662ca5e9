"""Changing one's own password: the old one and the second factor for a new one that is good enough."""

from app.identity.events import PasswordChanged
from app.identity.passwords import check_password, hash_password
from app.identity.proving import weigh
from app.identity.rules import is_common, is_too_short_or_long
from app.identity.second_factor import Proof
from app.identity.tokens import TokenRefused
from app.kernel.actor import Actor
from app.kernel.database import action, fetch_one, fetch_value, query
from app.kernel.errors import DomainError, Invalid
from app.kernel.events import emit


class PasswordLength(Invalid):
    code = "password_length"
    message = "新密码须为 12 到 128 个字符，可以使用一句话。"


class PasswordCommon(Invalid):
    code = "password_common"
    message = "新密码过于常见或包含用户名，请换一个别人猜不到的。"


class PasswordUnchanged(Invalid):
    code = "password_unchanged"
    message = "新密码不能与原密码相同，请重新设置。"


async def change_password(actor: Actor, *, old: str, new: str, proof: Proof | None) -> None:
    """All sessions end, this one too: who changed it logs in again."""
    stored, login_name = await _own(actor)
    require_good(new, login_name=login_name)
    if new == old:
        raise PasswordUnchanged
    knows = await check_password(stored, old)
    fresh = await hash_password(new)
    refusal = await _change(actor, seen_hash=stored, knows=knows, proof=proof, fresh=fresh)
    if refusal is not None:
        raise refusal


def require_good(password: str, *, login_name: str) -> None:
    if is_too_short_or_long(password):
        raise PasswordLength
    if is_common(password, login_name=login_name):
        raise PasswordCommon


@query
async def _own(actor: Actor) -> tuple[str, str]:
    row = await fetch_one("SELECT password_hash, login_name FROM staff_login WHERE staff_id = $1", actor.id)
    if row is None:
        raise TokenRefused
    return row["password_hash"], row["login_name"]


@action
async def _change(
    actor: Actor, *, seen_hash: str, knows: bool, proof: Proof | None, fresh: str
) -> DomainError | None:
    assert actor.id is not None
    proved = await weigh(actor, staff_id=actor.id, seen_hash=seen_hash, knows=knows, proof=proof)
    if isinstance(proved, DomainError):
        return proved
    await fetch_value(
        "UPDATE staff_login SET password_hash = $2, one_time_until = NULL, auth_version = auth_version + 1"
        " WHERE staff_id = $1",
        actor.id,
        fresh,
    )
    await emit(actor, PasswordChanged(staff_id=actor.id))
    return None

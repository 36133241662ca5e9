"""Log out here, or everywhere."""

from app.identity.sessions import end_session
from app.kernel.actor import Actor, ActorKind
from app.kernel.database import action, fetch_value
from app.kernel.errors import Forbidden

EVERY_LOGIN = {
    ActorKind.ACCOUNT: "UPDATE account SET auth_version = auth_version + 1 WHERE id = $1",
    ActorKind.STAFF: "UPDATE staff_login SET auth_version = auth_version + 1 WHERE staff_id = $1",
}


class NotAPerson(Forbidden):
    code = "not_a_person"
    message = "设备和合作系统不能自行退出登录，请联系信息科停用。"


@action
async def log_out(actor: Actor) -> None:
    """End the login of this request; its tokens stop within a second."""
    await end_session(actor, session_id=actor.session_id)


@action
async def log_out_everywhere(actor: Actor) -> None:
    """End every login of this person, on every phone and workstation, refresh tokens included."""
    if actor.kind not in EVERY_LOGIN:
        raise NotAPerson
    await fetch_value(EVERY_LOGIN[actor.kind], actor.id)

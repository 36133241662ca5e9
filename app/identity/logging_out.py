"""Log out here, or everywhere."""

from app.identity.sessions import end_session
from app.kernel.actor import Actor, ActorKind
from app.kernel.database import action, fetch_value

OUTDATE = {
    ActorKind.ACCOUNT: "UPDATE account SET auth_version = auth_version + 1 WHERE id = $1",
    ActorKind.STAFF: "UPDATE staff_login SET auth_version = auth_version + 1 WHERE staff_id = $1",
}


@action
async def log_out(actor: Actor) -> None:
    """End the login of this request; its tokens stop within a second."""
    await end_session(actor, session_id=actor.session_id)


@action
async def log_out_everywhere(actor: Actor) -> None:
    """End every login of this person, on every phone and workstation, refresh tokens included."""
    await fetch_value(OUTDATE[actor.kind], actor.id)

"""What nobody can use any more is deleted; sessions stay, for who asks later who was logged in."""

from datetime import datetime, timedelta

from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch_value

KEPT_HOURS = 24  # a code that comes twice within a day still ends the session that it made
SPENT = [
    "DELETE FROM auth_code WHERE expires_at < $1",
    "DELETE FROM pushed_request WHERE expires_at < $1",
    "DELETE FROM client_assertion WHERE expires_at < $1",
    "DELETE FROM refresh_token r USING login_session s WHERE s.id = r.session_id AND s.expires_at < $1",
]


async def forget_spent() -> None:
    await _forget(system("sweeper"), before=clock.wall() - timedelta(hours=KEPT_HOURS))


@action
async def _forget(actor: Actor, *, before: datetime) -> None:
    for statement in SPENT:
        await fetch_value(statement, before)

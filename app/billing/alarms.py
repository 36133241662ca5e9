"""What no rule may settle about money: stored once, counted, logged, and left to a person."""

from uuid import UUID

import structlog
from prometheus_client import Counter

from app.billing.tables import ChannelName
from app.kernel.actor import Actor
from app.kernel.database import action, fetch_value
from app.kernel.ids import new_id

log = structlog.get_logger()

ALARMS = Counter("jiuyi_pay_alarms", "Money matters that need a person.", ["channel", "code"])


@action
async def raise_alarm(
    actor: Actor,
    *,
    name: ChannelName,
    code: str,
    reference: str,
    attempt_id: UUID | None = None,
    amount_fen: int | None = None,
) -> None:
    """Once for the same code and reference, however often it is met."""
    added = await fetch_value(
        "INSERT INTO pay_alarm (id, once_key, channel, code, reference, attempt_id, amount_fen)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (once_key) DO NOTHING RETURNING id",
        new_id(),
        f"{name}:{code}:{reference}"[:160],
        str(name),
        code,
        reference[:64],
        attempt_id,
        amount_fen,
    )
    if added is not None:
        ALARMS.labels(str(name), code).inc()
        log.error("pay_alarm", channel=str(name), code=code, reference=reference)

"""The two clocks. Business time decides about days, deadlines and numbers; wall time about secrets."""

from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from zoneinfo import ZoneInfo

from app.kernel.actor import Actor
from app.kernel.database import action, current_transaction, fetch_one, fetch_value
from app.kernel.errors import DomainError, Forbidden
from app.kernel.settings import settings

LOCAL = ZoneInfo("Asia/Shanghai")  # one time zone, no daylight saving: the country's


class ClockIsReal(Forbidden):
    code = "clock_is_real"
    message = "只有演示或测试医院可以调整业务时钟。"


class ClockGoesForward(DomainError):
    code = "clock_goes_forward"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = "业务时钟只能向前调整，请选择晚于当前业务时间的时刻。"


def wall() -> datetime:
    """Wall time in UTC: for tokens, signatures and audit. Never for a deadline."""
    return datetime.now(UTC)


async def now() -> datetime:
    """Business time in UTC: the database's transaction start plus the demo offset, one per transaction."""
    transaction = current_transaction()
    if transaction.business_now is None:
        transaction.business_now = await fetch_value("SELECT jiuyi.now()")
    assert transaction.business_now is not None
    return transaction.business_now


async def today() -> date:
    return local_day(await now())


def local_day(instant: datetime) -> date:
    """The hospital's calendar day of an instant."""
    return instant.astimezone(LOCAL).date()


@action
async def move_clock(actor: Actor, *, to: datetime) -> timedelta:
    """Move business time forward to `to` and return the new offset. Only where `JIUYI_DEMO=1`."""
    if not settings().demo:
        raise ClockIsReal
    row = await fetch_one(
        "UPDATE clock_offset SET offset_by = $1 - now() WHERE offset_by < $1 - now() RETURNING offset_by",
        to,
    )
    if row is None:
        raise ClockGoesForward
    current_transaction().business_now = None
    return row["offset_by"]

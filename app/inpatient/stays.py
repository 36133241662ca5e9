"""The open stay, as every activity of the ward begins with it."""

from uuid import UUID

import asyncpg

from app.inpatient.tables import AdmissionStatus
from app.kernel.actor import Actor
from app.kernel.database import action, fetch_one
from app.kernel.errors import DomainError, NotFound
from app.patients.access import require_may_see


class StayNotFound(NotFound):
    code = "stay_not_found"
    message = "没有找到该住院记录，请返回病区列表重新选择。"


class StayOver(DomainError):
    code = "stay_over"
    message = "该患者已经出院，不能再进行此操作。"


@action
async def open_stay(actor: Actor, *, admission_id: UUID) -> asyncpg.Record:
    """The stay while it lasts, kept from ending until this transaction does."""
    row = await fetch_one("SELECT * FROM admission WHERE id = $1 FOR SHARE", admission_id)
    if row is None:
        raise StayNotFound(admission_id=admission_id)
    await require_may_see(actor, person_id=row["person_id"])
    if row["status"] != AdmissionStatus.IN_WARD:
        raise StayOver(admission_id=admission_id)
    return row

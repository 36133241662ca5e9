"""What a nurse station shows: the open alerts of a ward, without a diagnosis and without a name."""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from app.alerts.watching import may_watch_ward
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import fetch, fetch_one, query
from app.kernel.errors import NotFound
from app.traces.showing import note_shown

OPEN_SHOWN_MAX = 100


class WardNotFound(NotFound):
    code = "ward_not_found"
    message = "没有找到该病区，请核对后重试。"


class WardName(msgspec.Struct, frozen=True):
    id: UUID
    name: str


class WardAlert(msgspec.Struct, frozen=True, kw_only=True):
    alert_id: UUID
    bed: str | None
    kind: str
    level: str
    words: str
    raised_at: datetime
    deadline: datetime | None  # none once somebody has it
    status: str
    target: str
    escalations: int
    accepted_by: str | None


class WardAlertState(msgspec.Struct, frozen=True, kw_only=True):
    ward: WardName
    as_of: datetime
    open: int  # more than `alerts` holds where a ward has over OPEN_SHOWN_MAX
    alerts: list[WardAlert]


@query
async def watched_alerts(actor: Actor, *, ward_id: UUID) -> WardAlertState:
    """The same for who may watch the ward; it does not exist for anybody else."""
    if not await may_watch_ward(actor, ward_id=ward_id):
        raise WardNotFound(ward_id=ward_id)
    return await ward_alert_state(actor, ward_id=ward_id)


@query
async def ward_alert_state(actor: Actor, *, ward_id: UUID) -> WardAlertState:
    """The whole picture, most pressing first: what nobody has comes before what somebody has.

    For the ward's stream, which has asked `may_watch_ward`.
    """
    ward = await fetch_one("SELECT id, name FROM ward WHERE id = $1", ward_id)
    if ward is None:
        raise WardNotFound(ward_id=ward_id)
    rows = await fetch(
        "SELECT a.id AS alert_id, a.person_id, b.label AS bed, a.kind, a.level, a.text AS words, a.raised_at,"
        " CASE WHEN a.status = 'accepted' THEN NULL ELSE a.ack_deadline END AS deadline,"
        " a.status, r.target, a.escalations, s.name AS accepted_by, count(*) OVER () AS open"
        " FROM alert a JOIN alert_rung r ON r.level = a.level AND r.rung = a.rung"
        " LEFT JOIN bed b ON b.id = a.bed_id LEFT JOIN staff s ON s.id = a.accepted_by"
        " WHERE a.ward_id = $1 AND a.status IN ('raised', 'delivered', 'displayed', 'accepted')"
        " ORDER BY a.status = 'accepted',"
        " array_position(ARRAY['critical', 'urgent', 'normal'], a.level::text), a.raised_at, a.id LIMIT $2",
        ward_id,
        OPEN_SHOWN_MAX,
    )
    return WardAlertState(
        ward=WardName(ward["id"], ward["name"]),
        as_of=await clock.now(),
        open=rows[0]["open"] if rows else 0,
        alerts=[_shown(row) for row in rows],
    )


def _shown(row: asyncpg.Record) -> WardAlert:
    values = dict(row)
    note_shown(values.pop("person_id"))
    del values["open"]
    return WardAlert(**values)


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """One alert as its unit's staff read it after acting on it."""

    alert_id: UUID
    ward_id: UUID | None
    department_id: UUID | None
    person_id: UUID | None
    kind: str
    level: str
    words: str
    status: str
    raised_at: datetime
    accepted_by: UUID | None
    accepted_at: datetime | None


@query
async def alert_view(actor: Actor, *, alert_id: UUID) -> AlertView:
    """For who has just been let through by an action on it: asks nothing itself."""
    row = await fetch_one(
        "SELECT id AS alert_id, ward_id, department_id, person_id, kind, level, text AS words, status,"
        " raised_at, accepted_by, accepted_at FROM alert WHERE id = $1",
        alert_id,
    )
    assert row is not None
    return AlertView(**dict(row))

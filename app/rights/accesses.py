"""谁看过我的资料: the access log in the words of the person it tells of."""

from datetime import date, datetime, time, timedelta
from uuid import UUID

import asyncpg
import msgspec

from app.kernel import clock
from app.kernel.actor import Actor, ActorKind
from app.kernel.database import fetch, query
from app.kernel.errors import Invalid
from app.patients.access import require_speaks_for
from app.patients.masking import Audience, name_for
from app.patients.tables import CareReason
from app.rights.words import DEVICES, GLASS_WHY, READER_IS, ROLES, SOMETHING, THINGS, WHY

PAGE_MAX = 100
PERIOD_DAYS = 90  # what is shown where nobody names a period
PERIOD_DAYS_MAX = 366
ENTRIES_MAX = 20_000  # of one period; a month in a ward leaves some thousands
GAP_MINUTES = 30  # who reads on within this time is still reading: one line


class PeriodWrong(Invalid):
    code = "period_wrong"
    message = "请选择不超过一年的查询时间，且结束日期不早于开始日期。"


class AccessLine(msgspec.Struct, frozen=True, kw_only=True):
    """One reader and one thing, without a pause of more than GAP_MINUTES. `id` is its newest entry."""

    id: int
    who: str
    role: str
    what: str
    why: str
    reason: str  # in the reader's own words, where they were asked for it
    emergency: bool  # only a break-glass opened the person to them
    times: int
    first_at: datetime
    last_at: datetime


class Accesses(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first. `complete`: the period held no more than could be read at once."""

    first_day: date
    last_day: date
    items: list[AccessLine]
    next: int | None
    complete: bool


# The house's own background work has no eyes and is left out, and so is what showed nothing. A pause longer
# than the gap begins a new line: so lines never split over a page, and reading on only moves a line up.
LINES = (
    "WITH entries AS (SELECT * FROM jiuyi.accesses_of_person($1, $2, $3, NULL, $4)),"
    " seen AS (SELECT e.*, coalesce(t.thing, $7) AS thing FROM entries e"
    "   LEFT JOIN unnest($5::text[], $6::text[]) AS t(permission, thing) ON t.permission = e.permission"
    "   WHERE e.status < 400 AND e.actor_kind <> 'system'"
    "   AND ($8 OR e.actor_kind <> 'account' OR e.actor_id <> $9)),"
    " begun AS (SELECT seen.*, coalesce(at - lag(at) OVER reading > $10::int * interval '1 minute', true)"
    "   AS begins FROM seen WINDOW reading AS (PARTITION BY actor_kind, actor_id, role, thing, reason"
    "   ORDER BY entry)),"
    " numbered AS (SELECT begun.*, count(*) FILTER (WHERE begins) OVER (PARTITION BY actor_kind, actor_id,"
    "   role, thing, reason ORDER BY entry) AS turn FROM begun),"
    " line AS (SELECT max(entry) AS id, actor_kind, actor_id, role, thing, reason, count(*) AS times,"
    "   min(at) AS first_at, max(at) AS last_at FROM numbered"
    "   GROUP BY actor_kind, actor_id, role, thing, reason, turn)"
    " SELECT line.*, (SELECT count(*) FROM entries) AS entries, s.name, s.title, d.name AS department,"
    "   device.kind AS device_kind, device.label, device.place_name, client.name AS client,"
    "   bound.relation, CASE WHEN actor_kind = 'account' THEN jiuyi.holder_of(actor_id) END AS holder,"
    "   care.reason AS care, glass.reason AS glass, glass.explanation"
    " FROM line"
    " LEFT JOIN staff s ON actor_kind = 'staff' AND s.id = actor_id"
    " LEFT JOIN department d ON d.id = s.department_id"
    " LEFT JOIN device ON actor_kind = 'device' AND device.id = actor_id"
    " LEFT JOIN oauth_client client ON actor_kind = 'client' AND client.id = actor_id"
    " LEFT JOIN LATERAL (SELECT relation FROM binding WHERE actor_kind = 'account' AND account_id = actor_id"
    "   AND person_id IN (SELECT jiuyi.same_person($1)) ORDER BY valid_from DESC LIMIT 1) bound ON true"
    # The log keeps wall time, relations business time; a demo hospital's differ by the clock's offset.
    " LEFT JOIN LATERAL (SELECT c.reason FROM care_relation c"
    "   WHERE c.person_id IN (SELECT jiuyi.same_person($1)) AND (c.staff_id = s.id OR"
    "     c.department_id = s.department_id OR c.ward_id = s.ward_id OR c.device_id = device.id"
    "     OR (device.place_kind = 'ward' AND c.ward_id = device.place_id))"
    "   AND c.valid_from <= last_at + (jiuyi.now() - now()) + interval '1 minute'"
    "   ORDER BY (c.valid_to IS NULL OR c.valid_to > last_at + (jiuyi.now() - now()) - interval '1 minute')"
    "     DESC, c.reason = 'break_glass', c.valid_from DESC LIMIT 1) care ON true"
    " LEFT JOIN LATERAL (SELECT g.reason, g.explanation FROM break_glass g"
    "   WHERE 'break_glass' IN (care.reason, split_part(line.reason, ': ', 1))"
    "   AND g.staff_id = s.id AND g.person_id IN (SELECT jiuyi.same_person($1))"
    "   AND g.opened_at <= last_at + (jiuyi.now() - now()) + interval '1 minute'"
    "   ORDER BY g.opened_at DESC LIMIT 1) glass ON true"
    " WHERE $11::bigint IS NULL OR line.id < $11 ORDER BY line.id DESC LIMIT $12"
)


@query
async def accesses(
    actor: Actor,
    *,
    person_id: UUID,
    first_day: date | None = None,
    last_day: date | None = None,
    own: bool = False,
    limit: int = 50,
    before: int | None = None,
) -> Accesses:
    """Who has seen the person's data, for who speaks for the person: never for a relative who was invited.

    Needs no consent: it is a right, and shows nothing of a result. `own`: also what the asking account read.
    """
    await require_speaks_for(actor, person_id=person_id)
    first_day, last_day = _period(first_day, last_day)
    limit = min(limit, PAGE_MAX)
    rows = await fetch(
        LINES,
        person_id,
        datetime.combine(first_day, time.min, clock.LOCAL),
        datetime.combine(last_day + timedelta(days=1), time.min, clock.LOCAL),
        ENTRIES_MAX,
        list(THINGS),
        list(THINGS.values()),
        SOMETHING,
        own,
        actor.id,
        GAP_MINUTES,
        before,
        limit,
    )
    return Accesses(
        first_day=first_day,
        last_day=last_day,
        items=[_line(row) for row in rows],
        next=rows[-1]["id"] if len(rows) == limit else None,
        complete=not rows or rows[0]["entries"] < ENTRIES_MAX,
    )


def _period(first_day: date | None, last_day: date | None) -> tuple[date, date]:
    """Days of wall time, as the log has it."""
    last_day = last_day or clock.local_day(clock.wall())
    first_day = first_day or last_day - timedelta(days=PERIOD_DAYS - 1)
    if not 0 <= (last_day - first_day).days < PERIOD_DAYS_MAX:
        raise PeriodWrong
    return first_day, last_day


def _line(row: asyncpg.Record) -> AccessLine:
    care, glass = _care(row)
    emergency = care == CareReason.BREAK_GLASS
    return AccessLine(
        id=row["id"],
        who=_who(row),
        role=ROLES.get(row["role"], ""),
        what=row["thing"],
        why=_why(row, care, glass),
        reason=(emergency and row["explanation"]) or ("" if _noted(row) else row["reason"]),
        emergency=emergency,
        times=row["times"],
        first_at=row["first_at"],
        last_at=row["last_at"],
    )


def _noted(row: asyncpg.Record) -> bool:
    """Whether the log itself says by which relation the person was seen: what held then comes first."""
    return row["reason"].partition(": ")[0] in WHY


def _care(row: asyncpg.Record) -> tuple[str, str]:
    """The relation that opened the person to the reader, and why the glass was broken; empty: none."""
    if _noted(row):
        care, _, glass = row["reason"].partition(": ")
        return care, glass
    return row["care"] or "", row["glass"] or ""


def _who(row: asyncpg.Record) -> str:
    """Staff by the name on their badge, relatives by what they are, machines by where they stand."""
    match row["actor_kind"]:
        case ActorKind.STAFF:
            words = (row["name"] or "已离职人员", row["title"], row["department"])
        case ActorKind.DEVICE:
            words = (DEVICES.get(row["device_kind"] or "", "设备"), row["place_name"], row["label"])
        case ActorKind.CLIENT:
            words = (row["client"] or "合作系统",)
        case ActorKind.ACCOUNT:
            holder = row["holder"] and name_for(Audience.STAFF_BOARD, row["holder"])
            words = (READER_IS.get(row["relation"] or "", "其他账号"), holder)
        case _:
            words = ("未登录的访问",)
    return " ".join(word for word in words if word)


def _why(row: asyncpg.Record, care: str, glass: str) -> str:
    if care == CareReason.BREAK_GLASS:
        return f"{WHY[CareReason.BREAK_GLASS]}：{GLASS_WHY.get(glass, '未注明')}"
    if care:
        return WHY[care]
    match row["actor_kind"]:
        case ActorKind.ACCOUNT:
            return "您或监护人同意的账号" if row["relation"] else ""
        case ActorKind.STAFF:
            return "办理窗口业务" if row["role"] in {"registrar", "cashier"} else ""
        case _:
            return ""

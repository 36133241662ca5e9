"""What a stay is charged day by day: the beds at night, and what the ward does by day."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import asyncpg

from app.billing.charges import Line, add_charge
from app.catalog.queries import price_of
from app.catalog.tables import ItemKind
from app.inpatient.events import StayCharged
from app.inpatient.rules import is_same_day, nights
from app.inpatient.stays import open_stay
from app.inpatient.tables import DailyChargeKind
from app.kernel import clock
from app.kernel.actor import Actor, ActorKind, system
from app.kernel.database import action, fetch, fetch_value, query
from app.kernel.errors import Invalid
from app.kernel.events import emit
from app.kernel.ids import new_id

STAYS_MAX = 100
ROUNDS_MAX = 20
QUANTITY_MAX = 1000
SOURCE_KIND = "daily_charge"
WARD_KINDS = (ItemKind.TREATMENT, ItemKind.NURSING, ItemKind.MATERIAL)


class ItemNotOfWard(Invalid):
    code = "item_not_of_ward"
    message = "病区只能记治疗、护理和材料费，药品和检验请通过医嘱。"


class QuantityOutOfRange(Invalid):
    code = "quantity_out_of_range"
    message = "数量必须大于 0 且不超过 1000，请核对后重新提交。"


@action
async def post_daily_charge(
    actor: Actor, *, admission_id: UUID, item_id: UUID, quantity: Decimal = Decimal(1)
) -> UUID:
    """Charge something the ward did today: a treatment, nursing, material."""
    stay = await open_stay(actor, admission_id=admission_id)
    if not 0 < quantity <= QUANTITY_MAX:
        raise QuantityOutOfRange(item_id=item_id)
    price = await price_of(actor, item_id=item_id)
    if price.kind not in WARD_KINDS:
        raise ItemNotOfWard(item_id=item_id)
    charged = await _charge(actor, stay, DailyChargeKind.TREATMENT, item_id, await clock.today(), quantity)
    assert charged is not None, "only nights are charged once"
    return charged


async def post_nightly_fees() -> int:
    """The sweep after midnight: every stay pays for the nights it has not paid for. Returns how many."""
    posted = 0
    for _ in range(ROUNDS_MAX):
        stays = await stays_with_unpaid_nights(system("nightly_fees"))
        for admission_id in stays:
            posted += await post_nights(system("nightly_fees"), admission_id=admission_id)
        if len(stays) < STAYS_MAX:
            break
    return posted


@query
async def stays_with_unpaid_nights(actor: Actor) -> list[UUID]:
    """Open stays that lay in a charging ward last midnight, and last day's charges are not there."""
    midnight = "date_trunc('day', jiuyi.now() AT TIME ZONE 'Asia/Shanghai') AT TIME ZONE 'Asia/Shanghai'"
    rows = await fetch(
        "SELECT DISTINCT a.id FROM admission a JOIN bed_binding b ON b.admission_id = a.id"  # noqa: S608 - a constant
        " JOIN bed ON bed.id = b.bed_id JOIN ward_rate r ON r.ward_id = bed.ward_id"
        f" WHERE a.status = 'in_ward' AND b.from_at < {midnight}"
        f" AND (b.to_at IS NULL OR b.to_at >= {midnight})"
        " AND NOT EXISTS (SELECT FROM daily_charge d WHERE d.admission_id = a.id AND d.item_id = r.item_id"
        "   AND d.kind = 'nightly'"
        "   AND d.day = (jiuyi.now() AT TIME ZONE 'Asia/Shanghai')::date - 1)"
        " ORDER BY a.id LIMIT $1",
        STAYS_MAX,
    )
    return [row["id"] for row in rows]


@action
async def post_nights(actor: Actor, *, admission_id: UUID) -> int:
    """Charge every midnight of an open stay that has passed, each item once, at the ward's prices now."""
    stay = await open_stay(actor, admission_id=admission_id)
    return await _post_nights(actor, stay, await clock.now())


@action
async def post_last_day(actor: Actor, *, admission_id: UUID) -> int:
    """At discharge: the nights up to now, or one day where no midnight passed."""
    stay = await open_stay(actor, admission_id=admission_id)
    now = await clock.now()
    if not is_same_day(admitted_at=stay["admitted_at"], discharged_at=now):
        return await _post_nights(actor, stay, now)
    items = await fetch("SELECT item_id FROM ward_rate WHERE ward_id = $1 ORDER BY item_id", stay["ward_id"])
    today = clock.local_day(now)
    return await _post(actor, stay, [(row["item_id"], today) for row in items])


async def _post_nights(actor: Actor, stay: asyncpg.Record, now: datetime) -> int:
    """The ward at 24:00 has the day; a change of bed at midnight itself gives it to the bed left."""
    rows = await fetch(
        "SELECT b.from_at, b.to_at, r.item_id FROM bed_binding b JOIN bed ON bed.id = b.bed_id"
        " JOIN ward_rate r ON r.ward_id = bed.ward_id WHERE b.admission_id = $1"
        " ORDER BY b.from_at, r.item_id",
        stay["id"],
    )
    owed = [
        (row["item_id"], day)
        for row in rows
        for day in nights(from_at=row["from_at"], until=row["to_at"] or now)
    ]
    return await _post(actor, stay, owed)


async def _post(actor: Actor, stay: asyncpg.Record, owed: Sequence[tuple[UUID, date]]) -> int:
    paid = {
        (row["item_id"], row["day"])
        for row in await fetch(
            "SELECT item_id, day FROM daily_charge WHERE admission_id = $1 AND kind = 'nightly'", stay["id"]
        )
    }
    posted = 0
    for item_id, day in owed:
        if (item_id, day) not in paid:
            charged = await _charge(actor, stay, DailyChargeKind.NIGHTLY, item_id, day, Decimal(1))
            posted += 1 if charged else 0
    return posted


async def _charge(
    actor: Actor,
    stay: asyncpg.Record,
    kind: DailyChargeKind,
    item_id: UUID,
    day: date,
    quantity: Decimal,
) -> UUID | None:
    """One row of ours, and the charge it stands for, once each."""
    daily_charge_id = await fetch_value(
        "INSERT INTO daily_charge (id, admission_id, item_id, day, kind, quantity, posted_by, posted_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, jiuyi.now())"
        " ON CONFLICT (admission_id, item_id, day) WHERE kind = 'nightly' DO NOTHING RETURNING id",
        new_id(),
        stay["id"],
        item_id,
        day,
        str(kind),
        quantity,
        actor.id if actor.kind is ActorKind.STAFF else None,
    )
    if daily_charge_id is None:
        return None
    await add_charge(
        actor,
        person_id=stay["person_id"],
        encounter_id=stay["encounter_id"],
        source_kind=SOURCE_KIND,
        line=Line(item_id=item_id, source_id=daily_charge_id, quantity=quantity),
    )
    await emit(
        actor,
        StayCharged(
            admission_id=stay["id"], encounter_id=stay["encounter_id"], daily_charge_id=daily_charge_id
        ),
    )
    return daily_charge_id

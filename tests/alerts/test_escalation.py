"""What nobody accepts climbs: once for each deadline, however many escalators look."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from app.alerts.answering import accept_alert
from app.alerts.escalation import escalate_batch, escalate_overdue, no_listener
from app.alerts.raising import raise_alert
from app.alerts.tables import AlertKind, AlertLevel
from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch
from tests.make import inpatient as make

TEST = make.TEST


async def raised(ward: make.WardMade, **values: Any) -> UUID:
    return await raise_alert(
        TEST, kind=AlertKind.NURSE_CALL, level=AlertLevel.NORMAL, ward_id=ward.id, text="呼叫护士", **values
    )


async def miss_deadline(alert_id: UUID) -> None:
    await make.write("UPDATE alert SET ack_deadline = jiuyi.now() - interval '1 ms' WHERE id = $1", alert_id)


@action
async def _told(actor: Actor, alert_id: UUID) -> list[tuple[Any, ...]]:
    rows = await fetch(
        "SELECT kind, fact->>'target' AS target, (fact->>'escalation')::int AS escalation,"
        " (fact->>'outside')::boolean AS outside FROM event WHERE aggregate_id = $1"
        " ORDER BY aggregate_version",
        alert_id,
    )
    return [tuple(row) for row in rows]


async def told(alert_id: UUID) -> list[tuple[Any, ...]]:
    return await _told(TEST, alert_id)


async def test_an_alert_climbs_the_whole_ladder_and_then_repeats(db: str) -> None:
    ward = await make.new_ward()
    nurse = await make.staff(ward)
    alert_id = await raised(ward, assignee_id=nurse.id)
    for _ in range(6):
        await miss_deadline(alert_id)
        assert await escalate_overdue() == 1
    assert await told(alert_id) == [
        ("alert.raised", "assigned", 0, False),
        ("alert.escalated", "unit", 1, False),
        ("alert.escalated", "charge_nurse", 2, False),
        ("alert.escalated", "duty_doctor", 3, True),
        ("alert.escalated", "duty_doctor", 4, True),
        ("alert.escalated", "duty_doctor", 5, True),
        ("alert.escalated", "duty_doctor", 6, True),
    ]


async def test_without_an_assigned_nurse_the_whole_ward_is_asked_at_once(db: str) -> None:
    alert_id = await raised(await make.new_ward())
    assert await told(alert_id) == [("alert.raised", "unit", 0, False)]


async def test_business_time_moves_the_ladder(db: str) -> None:
    alert_id = await raised(await make.new_ward())
    await make.write("UPDATE clock_offset SET offset_by = interval '59 seconds'")
    assert await escalate_overdue() == 0
    await make.write("UPDATE clock_offset SET offset_by = interval '61 seconds'")
    assert await escalate_overdue() == 1
    assert await make.read("SELECT rung FROM alert WHERE id = $1", alert_id) == 2


async def test_what_somebody_accepted_climbs_no_more(db: str) -> None:
    ward = await make.new_ward()
    nurse = await make.staff(ward)
    alert_id = await raised(ward)
    await accept_alert(nurse, alert_id=alert_id)
    await miss_deadline(alert_id)
    assert await escalate_overdue() == 0
    assert not await no_listener(TEST, alert_id=alert_id)


async def test_with_nobody_listening_it_climbs_at_once_up_to_the_telephone(db: str) -> None:
    alert_id = await raised(await make.new_ward())
    assert await no_listener(TEST, alert_id=alert_id, escalation=0)
    assert not await no_listener(TEST, alert_id=alert_id, escalation=0)
    assert await no_listener(TEST, alert_id=alert_id, escalation=1)
    assert not await no_listener(TEST, alert_id=alert_id)
    assert [t[1] for t in await told(alert_id)] == ["unit", "charge_nurse", "duty_doctor"]


@pytest.mark.commits
async def test_two_escalators_escalate_each_alert_once(db: str) -> None:
    ward = await make.new_ward()
    alerts = [await raised(ward) for _ in range(60)]
    await make.write("UPDATE alert SET ack_deadline = jiuyi.now() - interval '1 ms'")
    done = await asyncio.gather(*(escalate_batch(system("escalator")) for _ in range(4)))
    done.append(await escalate_batch(system("escalator")))
    assert sum(done) == len(alerts)
    assert await make.read("SELECT count(*) FROM alert WHERE escalations = 1") == len(alerts)
    assert await make.read("SELECT count(*) FROM alert_step WHERE kind = 'escalated'") == len(alerts)
    assert await make.read("SELECT count(*) FROM event WHERE kind = 'alert.escalated'") == len(alerts)


@pytest.mark.commits
async def test_accepting_and_escalating_at_once_leaves_one_truth(db: str) -> None:
    ward = await make.new_ward()
    nurse = await make.staff(ward)
    for _ in range(10):
        alert_id = await raised(ward)
        await miss_deadline(alert_id)
        await asyncio.gather(
            accept_alert(nurse, alert_id=alert_id),
            escalate_overdue(),
        )
        await escalate_overdue()
        kinds = [t[0] for t in await told(alert_id)]
        assert kinds[-1] == "alert.accepted"
        assert kinds.count("alert.escalated") <= 1

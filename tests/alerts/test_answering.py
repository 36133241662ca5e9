"""Devices show an alert, one person takes it, the others are told who."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.alerts.answering import (
    AlertNotAccepted,
    AlertNotForRole,
    AlertNotFound,
    AlertOver,
    AlertTaken,
    accept_alert,
    handle_alert,
    mark_delivered,
    mark_displayed,
)
from app.alerts.queries import WardNotFound, ward_alert_state, watched_alerts
from app.alerts.raising import cancel_alerts, raise_alert
from app.alerts.tables import ALERT_FLOW, AlertKind, AlertLevel, AlertStatus
from app.kernel.actor import ANONYMOUS, Actor
from app.kernel.database import action
from app.kernel.errors import DomainError
from tests.make import inpatient as make

TEST = make.TEST


async def raised(ward: make.WardMade, **values: Any) -> UUID:
    given = {"kind": AlertKind.NURSE_CALL, "level": AlertLevel.NORMAL, "text": "呼叫护士"} | values
    return await raise_alert(TEST, ward_id=ward.id, **given)


async def status(alert_id: UUID) -> str:
    return await make.read("SELECT status FROM alert WHERE id = $1", alert_id)


async def steps(alert_id: UUID) -> list[str]:
    return await make.read(
        "SELECT array_agg(kind::text ORDER BY id) FROM alert_step WHERE alert_id = $1", alert_id
    )


async def test_an_alert_lives_from_raised_to_handled(db: str) -> None:
    ward = await make.new_ward()
    nurse, station = (
        await make.staff(ward),
        await make.device(kind="nurse_station", place_kind="ward", place_id=ward.id),
    )
    assert station.id is not None
    alert_id = await raised(ward)
    for _ in range(2):  # each of them may come twice
        await mark_delivered(TEST, alert_id=alert_id, device_id=station.id)
    for _ in range(2):
        await mark_displayed(station, alert_id=alert_id)
    for _ in range(2):
        await accept_alert(nurse, alert_id=alert_id)
    for _ in range(2):
        await handle_alert(nurse, alert_id=alert_id, note="已更换液体")
    assert await status(alert_id) == "handled"
    assert await steps(alert_id) == ["raised", "delivered", "displayed", "accepted", "handled"]
    facts = await make.read(
        "SELECT array_agg(kind::text ORDER BY aggregate_version) FROM event WHERE aggregate_id = $1", alert_id
    )
    assert facts == ["alert.raised", "alert.accepted", "alert.handled"]


async def test_a_late_device_does_not_move_an_accepted_alert_back(db: str) -> None:
    ward = await make.new_ward()
    nurse = await make.staff(ward)
    alert_id = await raised(ward)
    await accept_alert(nurse, alert_id=alert_id)
    await mark_delivered(TEST, alert_id=alert_id, device_id=uuid4())
    await mark_displayed(nurse, alert_id=alert_id)
    assert await status(alert_id) == "accepted"


async def test_whoever_comes_second_is_told_who_has_it(db: str) -> None:
    ward = await make.new_ward()
    first, second = await make.staff(ward, name="王芳"), await make.staff(ward, name="赵敏")
    alert_id = await raised(ward)
    await accept_alert(first, alert_id=alert_id)
    with pytest.raises(AlertTaken) as refused:
        await accept_alert(second, alert_id=alert_id)
    assert "王芳" in refused.value.detail
    assert refused.value.ids["staff_id"] == str(first.id)
    await handle_alert(second, alert_id=alert_id)  # whoever of the ward deals with it


@pytest.mark.commits
async def test_of_many_who_accept_at_once_one_has_it(db: str) -> None:
    ward = await make.new_ward()
    nurses = [await make.staff(ward) for _ in range(8)]
    alert_id = await raised(ward)
    answers = await asyncio.gather(
        *(accept_alert(nurse, alert_id=alert_id) for nurse in nurses), return_exceptions=True
    )
    assert [a for a in answers if a == alert_id] == [alert_id]
    assert sum(isinstance(a, AlertTaken) for a in answers) == 7
    assert await make.read("SELECT count(*) FROM event WHERE kind = 'alert.accepted'") == 1


@pytest.mark.commits
async def test_a_button_pressed_many_times_is_one_open_alert(db: str) -> None:
    ward = await make.new_ward()
    nurse = await make.staff(ward)
    alerts = await asyncio.gather(*(raised(ward, once_key="nurse_call:1") for _ in range(6)))
    assert len(set(alerts)) == 1
    assert (await steps(alerts[0])).count("repeated") == 5
    await accept_alert(nurse, alert_id=alerts[0])
    assert await raised(ward, once_key="nurse_call:1") == alerts[0]
    await handle_alert(nurse, alert_id=alerts[0])
    assert await raised(ward, once_key="nurse_call:1") != alerts[0]


async def refusal(answer: Any) -> type[DomainError]:
    with pytest.raises(DomainError) as refused:
        await answer
    return type(refused.value)


async def test_only_nurses_and_doctors_of_the_unit_answer(db: str) -> None:
    ward, other = await make.new_ward(), await make.new_ward()
    alert_id = await raised(ward)
    stranger = await make.staff(other)
    technician = await make.staff(ward, role="technician")
    station = await make.device(kind="nurse_station", place_kind="ward", place_id=ward.id)
    elsewhere = await make.device(kind="nurse_station", place_kind="ward", place_id=other.id)
    assert await refusal(accept_alert(stranger, alert_id=alert_id)) is AlertNotFound
    assert await refusal(handle_alert(stranger, alert_id=alert_id)) is AlertNotFound
    assert await refusal(accept_alert(technician, alert_id=alert_id)) is AlertNotForRole
    assert await refusal(accept_alert(station, alert_id=alert_id)) is AlertNotFound
    assert await refusal(mark_displayed(elsewhere, alert_id=alert_id)) is AlertNotFound
    assert await refusal(mark_displayed(stranger, alert_id=alert_id)) is AlertNotFound
    assert await refusal(mark_displayed(ANONYMOUS, alert_id=alert_id)) is AlertNotFound
    doctor = await make.staff(ward, role="doctor", in_ward=False)
    await accept_alert(doctor, alert_id=alert_id)


async def test_a_departments_alert_is_its_own_staffs(db: str) -> None:
    ward, other = await make.new_ward(), await make.new_ward()
    alert_id = await raise_alert(
        TEST,
        kind=AlertKind.CRITICAL_VALUE,
        level=AlertLevel.CRITICAL,
        department_id=ward.department_id,
        text="危急值待确认",
    )
    stranger = await make.staff(other, role="doctor")
    station = await make.device(kind="nurse_station", place_kind="ward", place_id=ward.id)
    assert await refusal(accept_alert(stranger, alert_id=alert_id)) is AlertNotFound
    assert await refusal(mark_displayed(station, alert_id=alert_id)) is AlertNotFound
    await mark_displayed(TEST, alert_id=alert_id)
    await accept_alert(await make.staff(ward, role="doctor"), alert_id=alert_id)


async def test_handling_needs_accepting_first(db: str) -> None:
    ward = await make.new_ward()
    nurse = await make.staff(ward)
    alert_id = await raised(ward)
    assert await refusal(handle_alert(nurse, alert_id=alert_id)) is AlertNotAccepted
    assert await refusal(accept_alert(nurse, alert_id=uuid4())) is AlertNotFound


async def test_what_is_over_takes_no_answer(db: str) -> None:
    ward = await make.new_ward()
    nurse, subject_id = await make.staff(ward), uuid4()
    handled, cancelled = await raised(ward), await raised(ward, subject_id=subject_id)
    await accept_alert(nurse, alert_id=handled)
    await handle_alert(nurse, alert_id=handled)
    assert await cancel_alerts(TEST, subject_id=subject_id, note="discharged") == 1
    assert await cancel_alerts(TEST, subject_id=subject_id) == 0
    assert await refusal(accept_alert(nurse, alert_id=handled)) is AlertOver
    assert await refusal(accept_alert(nurse, alert_id=cancelled)) is AlertOver
    assert await refusal(handle_alert(nurse, alert_id=cancelled)) is AlertOver


async def test_the_wards_picture_has_what_is_open_most_pressing_first(db: str) -> None:
    ward = await make.new_ward()
    nurse = await make.staff(ward, name="王芳")
    bed_id = await make.bed(ward, label="12")
    taken = await raised(ward, level=AlertLevel.CRITICAL)
    await accept_alert(nurse, alert_id=taken)
    call = await raised(ward, bed_id=bed_id, assignee_id=nurse.id)
    critical = await raised(
        ward, kind=AlertKind.CRITICAL_VALUE, level=AlertLevel.CRITICAL, text="危急值待确认"
    )
    state = await ward_alert_state(TEST, ward_id=ward.id)
    assert [a.alert_id for a in state.alerts] == [critical, call, taken]
    assert (state.ward.name, state.open) == ("一病区", 3)
    shown = state.alerts[1]
    assert (shown.bed, shown.words, shown.target, shown.status) == ("12", "呼叫护士", "assigned", "raised")
    assert shown.deadline is not None
    assert (shown.deadline - shown.raised_at).total_seconds() == 60
    assert (state.alerts[2].accepted_by, state.alerts[2].deadline) == ("王芳", None)
    assert (await watched_alerts(nurse, ward_id=ward.id)).alerts == state.alerts


async def test_a_ward_is_watched_by_its_own_only(db: str) -> None:
    ward, other = await make.new_ward(), await make.new_ward()
    stranger = await make.staff(other)
    assert await refusal(watched_alerts(stranger, ward_id=ward.id)) is WardNotFound
    assert await refusal(ward_alert_state(TEST, ward_id=uuid4())) is WardNotFound


@action
async def try_move(actor: Actor, alert_id: UUID, start: AlertStatus, end: AlertStatus) -> bool:
    row = await ALERT_FLOW.try_move(alert_id, end, only_from=None)
    return row is not None


@pytest.mark.parametrize("start", list(AlertStatus))
@pytest.mark.parametrize("end", [s for s in AlertStatus if s is not AlertStatus.RAISED])
async def test_every_move_of_the_flow(db: str, start: AlertStatus, end: AlertStatus) -> None:
    ward = await make.new_ward()
    nurse = await make.staff(ward)
    alert_id = await raised(ward)
    await make.write(
        "UPDATE alert SET status = $2, accepted_by = $3, accepted_at = now() WHERE id = $1",
        alert_id,
        str(start),
        nurse.id,
    )
    assert await try_move(TEST, alert_id, start, end) == ALERT_FLOW.allows(start, end)


@pytest.mark.parametrize("change", ["UPDATE alert_step SET note = 'x'", "DELETE FROM alert_step"])
async def test_nobody_rewrites_the_story(db: str, change: str) -> None:
    await raised(await make.new_ward())
    with pytest.raises(asyncpg.RestrictViolationError):
        await make.write(change)

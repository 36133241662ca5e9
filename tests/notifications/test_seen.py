"""Whom a stream shows: each person leaves a row before they appear, once for each time a screen joins."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from uuid import UUID

import asyncpg
import pytest

from app.alerts.raising import raise_alert
from app.alerts.tables import AlertKind, AlertLevel
from app.kernel.actor import Actor
from app.kernel.ids import new_id
from app.patients.access import relate
from app.patients.tables import CareReason
from app.rights.accesses import accesses
from app.traces.access_log import ACCESS_LOG, Line, Row
from notifications.hub import HUB
from notifications.inbox import tell_account
from notifications.streams import account_inbox, room_queue, ward_alerts, zone_queue
from tests.make import identity, inpatient, patients, visit
from tests.make.rows import value
from tests.notifications.conftest import TEST, Hospital
from tests.notifications.test_frames_keep_secrets import device_token, relay_all, token_of
from tests.notifications.test_inbox import an_event
from tests.traces.sealed_house import forger

pytestmark = pytest.mark.commits


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await forger(database_url)
    yield connection
    await connection.close()


async def left_by(owner: asyncpg.Connection, actor: Actor) -> list[tuple[UUID | None, str, str]]:
    """Person, permission and reason of each row that the actor's streams left, in order."""
    rows = await owner.fetch(
        "SELECT person_id, permission, reason FROM access_log"
        " WHERE actor_id = $1 AND permission LIKE 'stream.%' ORDER BY entry",
        actor.id,
    )
    return [tuple(row) for row in rows]


async def call_of(stay: inpatient.StayMade, person_id: UUID | None = None) -> UUID:
    alert_id = await raise_alert(
        TEST,
        kind=AlertKind.NURSE_CALL,
        level=AlertLevel.NORMAL,
        ward_id=stay.ward.id,
        text="呼叫护士",
        person_id=person_id or stay.person_id,
    )
    await relay_all()
    return alert_id


async def test_a_nurse_leaves_a_row_for_who_is_on_the_board_and_for_who_comes(
    hospital: Hospital, owner: asyncpg.Connection
) -> None:
    """Positive control: the board shows both, and says neither's name."""
    stay, later = await inpatient.stay(), await patients.person()
    stream = ward_alerts(stay.ward.id)
    await call_of(stay)
    board = await hospital.connected(await token_of(stay.nurse, role="nurse"), stream)
    await board.has("snap")
    joined = (None, "stream.ward", stream)
    assert await left_by(owner, stay.nurse) == [joined, (stay.person_id, "stream.ward", "admission")]
    await call_of(stay)
    await call_of(stay, later)
    await board.until(lambda: board.events and len(board.events[-1]["d"]["state"]["alerts"]) == 3)
    assert await left_by(owner, stay.nurse) == [
        joined,
        (stay.person_id, "stream.ward", "admission"),
        (later, "stream.ward", ""),
    ], "whom the board has shown already is not noted again"
    await board.leave()
    await board.connect(await hospital.ticket(await token_of(stay.nurse, role="nurse")))
    await call_of(stay)
    await board.until(lambda: len(board.events[-1]["d"]["state"]["alerts"]) == 4)
    assert len(await left_by(owner, stay.nurse)) == 6, "the next time it joins they are noted anew"


async def test_for_another_login_on_the_same_line_everybody_is_new(
    hospital: Hospital, owner: asyncpg.Connection
) -> None:
    stay = await inpatient.stay()
    token = await token_of(stay.nurse, role="nurse")
    await call_of(stay)
    board = await hospital.connected(token, ward_alerts(stay.ward.id))
    await board.has("snap")
    (line,) = HUB.sessions.values()
    for login, rows in ((token, 2), (await token_of(stay.nurse, role="nurse"), 3)):
        before, seen = line.listener, len(board.events)
        await board.say({"t": "reauth", "ticket": await hospital.ticket(login)})
        while line.listener is before:  # noqa: ASYNC110 - nothing answers a reauth
            await asyncio.sleep(0.01)
        await call_of(stay)
        await board.until(lambda seen=seen: len(board.events) > seen)
        assert len(await left_by(owner, stay.nurse)) == rows


async def test_the_patient_reads_who_watched_the_ward(hospital: Hospital, owner: asyncpg.Connection) -> None:
    account = await identity.account_actor()
    person_id = await patients.bound_person(account)
    stay = await inpatient.stay()
    await relate(TEST, person_id=person_id, ward_id=stay.ward.id, reason=CareReason.ADMISSION)
    await call_of(stay, person_id)
    assert (await accesses(account, person_id=person_id)).items == [], "nobody has yet"
    board = await hospital.connected(await token_of(stay.nurse, role="nurse"), ward_alerts(stay.ward.id))
    await board.has("snap")
    (line,) = (await accesses(account, person_id=person_id)).items
    assert (line.what, line.why, line.role) == ("实时提醒", "您在该病区住院", "护士")


async def test_a_desk_leaves_a_row_for_each_who_waits_and_the_hall_none(
    hospital: Hospital, owner: asyncpg.Connection
) -> None:
    place = await visit.clinic()
    first = await person_of(await visit.ticket(place))
    desk = await hospital.connected(
        await identity.staff_token(staff_id=place.staff_id), room_queue(place.room_id), client_id="desk"
    )
    hall_token = await device_token("hall_display", "zone", place.zone_id)
    hall = await hospital.connected(hall_token, zone_queue(place.zone_id), client_id="hall")
    await desk.has("snap")
    await hall.has("snap")
    second = await person_of(await visit.ticket(place))
    await relay_all()
    await desk.until(lambda: len(desk.frames[-1].get("d", {}).get("state", {}).get("waiting", [])) == 2)
    await hall.until(lambda: bool(hall.events))
    noted = [person_id for person_id, _, _ in await left_by(owner, place.doctor)]
    assert noted == [None, first, second]
    shown = await owner.fetch("SELECT person_id FROM access_log WHERE permission = 'stream.zone'")
    assert [row["person_id"] for row in shown] == [None], "masked names on a wall show nobody"


async def person_of(ticket_id: UUID) -> UUID:
    return await value("SELECT person_id FROM ticket WHERE id = $1", ticket_id)


class Away(Line):
    """A log that takes what names nobody, or nothing at all."""

    def __init__(self, *, takes_joins: bool) -> None:
        super().__init__()
        self.takes_joins = takes_joins

    async def write(self, rows: Sequence[Row]) -> None:
        if not self.takes_joins or any(row[9] is not None for row in rows):
            raise OSError


@pytest.fixture
def log_back() -> Iterator[None]:
    lines = ACCESS_LOG.lines
    yield
    ACCESS_LOG.lines = lines


@pytest.mark.parametrize("takes_joins", [False, True], ids=["no join", "no person"])
async def test_what_cannot_be_noted_is_not_shown(
    hospital: Hospital, log_back: None, *, takes_joins: bool
) -> None:
    stay = await inpatient.stay()
    await call_of(stay)
    stream, token = ward_alerts(stay.ward.id), await token_of(stay.nurse, role="nurse")
    lines, ACCESS_LOG.lines = ACCESS_LOG.lines, [Away(takes_joins=takes_joins)]
    refused = await hospital.connected(token, stream)
    assert await refused.closed() == 4503
    assert [frame["t"] for frame in refused.frames] == (["welcome"] if takes_joins else [])
    ACCESS_LOG.lines = lines
    await refused.connect(await hospital.ticket(token))
    assert len((await refused.has("snap"))["state"]["alerts"]) == 1


async def test_who_appears_while_the_log_is_away_is_not_shown(hospital: Hospital, log_back: None) -> None:
    stay = await inpatient.stay()
    board = await hospital.connected(await token_of(stay.nurse, role="nurse"), ward_alerts(stay.ward.id))
    await board.has("snap")
    ACCESS_LOG.lines = [Away(takes_joins=True)]
    await call_of(stay)
    assert await board.closed() == 4503
    assert board.events == []


async def test_an_inbox_names_whom_its_lines_are_about(hospital: Hospital, owner: asyncpg.Connection) -> None:
    account = await identity.account_actor()
    assert account.id is not None
    mine, child = await patients.bound_person(account), await patients.bound_person(account, relation="2")
    stream = account_inbox(account.id)
    await tell(account, mine)
    phone = await hospital.connected(await identity.account_token(account.id), stream)
    await phone.has("snap")
    await tell(account, child)
    await phone.until(lambda: bool(phone.events))
    assert [left[:2] for left in await left_by(owner, account)] == [
        (None, "stream.account"),
        (mine, "stream.account"),
        (child, "stream.account"),
    ]


async def tell(account: Actor, person_id: UUID) -> None:
    """A line in the account's inbox, and a nudge on its stream."""
    assert account.id is not None
    await tell_account(
        TEST, account_id=account.id, person_id=person_id, title="报告已出", ref_id=new_id(), event=an_event()
    )


async def test_an_event_that_does_not_say_whom_it_shows_is_a_hole(
    hospital: Hospital, owner: asyncpg.Connection
) -> None:
    """Written by the version before: the snapshot in its stead says it."""
    stay = await inpatient.stay()
    stream = ward_alerts(stay.ward.id)
    board = await hospital.connected(await token_of(stay.nurse, role="nurse"), stream)
    await board.has("snap")
    await call_of(stay)
    await board.until(lambda: bool(board.events))
    await board.cut()
    await call_of(stay)
    await owner.execute("UPDATE rt_event SET persons = NULL WHERE stream = $1 AND seq = 2", stream)
    await board.connect(await hospital.ticket(await token_of(stay.nurse, role="nurse")))
    await board.has("gap")
    assert len((await board.has("snap", 2))["state"]["alerts"]) == 2
    assert [left[0] for left in await left_by(owner, stay.nurse)] == [
        None,
        stay.person_id,
        None,
        stay.person_id,
    ]

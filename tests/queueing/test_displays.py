"""What boards and phones are shown: whole states, masked names, nothing else."""

import msgspec
import pytest

from app.kernel.actor import system
from app.kernel.ids import new_id
from app.queueing.calling import call_next, miss_ticket, send_to_door, start_ticket
from app.queueing.displays import board_version, room_queue_state, window_queue_state, zone_queue_state
from app.queueing.joining import TicketNotFound, join_queue
from app.queueing.queries import ticket_view, tickets_of
from app.queueing.queues import window_queue
from app.queueing.tables import PriorityClass
from tests.make import identity, organization, patients, visit
from tests.make.rows import value

SYSTEM = system("test")


async def test_the_hall_display_shows_calls_waiting_and_missed_with_masked_names(db: str) -> None:
    place = await visit.clinic()
    missed = await visit.ticket(place, name="欧阳娜娜")
    await call_next(place.doctor, room_id=place.room_id)
    await miss_ticket(place.doctor, ticket_id=missed)
    await visit.ticket(place, name="李小明")
    await visit.ticket(place, name="李大明")
    await visit.ticket(place, name="王芳", late=True)
    called = await call_next(place.doctor, room_id=place.room_id)
    state = await zone_queue_state(SYSTEM, zone_id=place.zone_id)
    call = state.calling[0]
    assert (call.number, call.masked_name, call.department) == ("A002", "李*明", "呼吸内科")
    assert call.call_id == await value("SELECT call_id FROM ticket WHERE id = $1", called)
    assert (call.repeat_no, call.ttl_s) == (1, 60)
    assert [(w.number, w.masked_name, w.marks) for w in state.waiting] == [
        ("A004", "王*", ["missed"]),  # two normals were called: the pattern's turn is the missed
        ("A003", "李*明", []),
    ]
    assert [(m.number, m.masked_name) for m in state.missed] == [("A001", "欧**娜")]
    frame = msgspec.json.encode(state).decode()
    assert not any(name in frame for name in ("欧阳娜娜", "李小明", "李大明", "王芳"))


async def test_the_state_has_the_agreed_fields(db: str) -> None:
    place = await visit.clinic()
    await visit.ticket(place)
    state = msgspec.to_builtins(await zone_queue_state(SYSTEM, zone_id=place.zone_id))
    assert set(state) == {"zone", "as_of", "calling", "waiting", "missed"}
    assert set(state["zone"]) == {"id", "name"}
    assert set(state["waiting"][0]) == {"number", "masked_name", "department", "room", "marks"}


async def test_a_department_that_tells_a_disease_shows_numbers_only(db: str) -> None:
    place = await visit.clinic(number_only=True)
    await visit.ticket(place)
    await visit.ticket(place)
    await call_next(place.doctor, room_id=place.room_id)
    state = await zone_queue_state(SYSTEM, zone_id=place.zone_id)
    assert (state.calling[0].masked_name, state.calling[0].department) == ("", "")
    assert (state.waiting[0].masked_name, state.waiting[0].department) == ("", "")
    assert state.waiting[0].number == "A002"


async def test_every_queue_of_the_zone_shows_its_next_ones_first(db: str) -> None:
    place = await visit.clinic()
    for own in (False, False, True, True):
        await visit.ticket(place, own=own)
    state = await zone_queue_state(SYSTEM, zone_id=place.zone_id)
    assert [w.number for w in state.waiting] == ["A001", "B001", "A002", "B002"]


async def test_two_hundred_waiting_are_shown(db: str) -> None:
    place = await visit.clinic()
    first = await visit.ticket(place)
    await value(
        "INSERT INTO ticket (id, queue_id, held_on, seq, number, person_id, masked_name, subject_kind,"
        " subject_id, status, list, order_key, joined_at) SELECT gen_random_uuid(), queue_id, held_on,"
        " seq + n, 'A' || n, person_id, masked_name, subject_kind, gen_random_uuid(), status, list,"
        " order_key + n, joined_at FROM ticket, generate_series(1, 250) AS n WHERE id = $1",
        first,
    )
    state = await zone_queue_state(SYSTEM, zone_id=place.zone_id)
    assert len(state.waiting) == 200


async def test_the_desk_sees_current_waiting_and_door(db: str) -> None:
    place = await visit.clinic()
    assert (await room_queue_state(SYSTEM, room_id=place.room_id)).doctor is None
    first, second, third = [await visit.ticket(place) for _ in range(3)]
    priority = await visit.ticket(place, priority=PriorityClass.MILITARY)
    await call_next(place.doctor, room_id=place.room_id)
    await start_ticket(place.doctor, ticket_id=priority)
    await send_to_door(place.doctor, ticket_id=third, room_id=place.room_id)
    state = await room_queue_state(place.doctor, room_id=place.room_id)
    assert [t.ticket_id for t in state.current] == [priority]
    assert state.current[0].marks == ["priority"]
    assert state.current[0].priority_reason == "证件已核对"
    assert [t.ticket_id for t in state.waiting] == [third, first, second]
    assert state.doctor == "钟医生"


async def test_a_window_board_shows_its_own_queue(db: str) -> None:
    window_id = await organization.window()
    queue_id = await window_queue(SYSTEM, window_id=window_id)
    await join_queue(
        SYSTEM,
        queue_id=queue_id,
        person_id=await patients.person(),
        subject_kind="prescription",
        subject_id=new_id(),
    )
    state = await window_queue_state(SYSTEM, window_id=window_id)
    assert [(w.number, w.masked_name) for w in state.waiting] == [("A001", "李*明")]
    assert (state.calling, state.missed) == ([], [])
    assert await board_version(SYSTEM, place_id=window_id) == 1


async def test_the_version_rises_with_every_change_of_the_zone(db: str) -> None:
    place = await visit.clinic()
    assert await board_version(SYSTEM, place_id=place.zone_id) == 0
    await visit.ticket(place)
    await call_next(place.doctor, room_id=place.room_id)
    assert await board_version(SYSTEM, place_id=place.zone_id) == 2


async def test_a_ticket_counts_who_will_be_called_before_it(db: str) -> None:
    place = await visit.clinic()
    normals = [await visit.ticket(place, planned_at=await visit.now(), seq_no=i) for i in range(3)]
    late = await visit.ticket(place, late=True)
    views = {t: await ticket_view(SYSTEM, ticket_id=t) for t in [*normals, late]}
    assert [views[t].people_ahead for t in (*normals, late)] == [0, 1, 3, 2]
    assert views[late].wait_minutes == (20, 26)


async def test_a_called_ticket_counts_nobody(db: str) -> None:
    place = await visit.clinic()
    ticket_id = await visit.ticket(place, own=True)
    assert (await ticket_view(SYSTEM, ticket_id=ticket_id)).people_ahead == 0
    await call_next(place.doctor, room_id=place.room_id)
    view = await ticket_view(SYSTEM, ticket_id=ticket_id)
    assert (view.people_ahead, view.wait_minutes, view.status) == (None, None, "called")


async def test_at_the_door_one_is_next(db: str) -> None:
    place = await visit.clinic()
    first, second = await visit.ticket(place), await visit.ticket(place)
    await send_to_door(place.doctor, ticket_id=second, room_id=place.room_id)
    assert (await ticket_view(SYSTEM, ticket_id=second)).people_ahead == 0
    assert (await ticket_view(SYSTEM, ticket_id=first)).people_ahead == 1


async def test_a_stranger_does_not_see_a_ticket(db: str) -> None:
    place = await visit.clinic()
    ticket_id = await visit.ticket(place)
    stranger = await identity.account_actor()
    with pytest.raises(TicketNotFound):  # that there is one is no stranger's business
        await ticket_view(stranger, ticket_id=ticket_id)
    with pytest.raises(TicketNotFound):
        await ticket_view(stranger, ticket_id=new_id())


async def test_todays_tickets_of_a_person(db: str) -> None:
    place = await visit.clinic()
    ticket_id = await visit.ticket(place)
    person_id = await value("SELECT person_id FROM ticket WHERE id = $1", ticket_id)
    assert [t.ticket_id for t in await tickets_of(SYSTEM, person_id=person_id)] == [ticket_id]

"""What moves a ticket: joining, calling, missing, coming back, finishing."""

from datetime import timedelta

import pytest

from app.kernel.actor import Actor, system
from app.kernel.errors import DomainError, WrongState
from app.kernel.ids import new_id
from app.queueing.calling import (
    DeskHasCalled,
    NoDoctorHere,
    NotCalled,
    NotYourRoom,
    QueueEmpty,
    call_next,
    call_next_at_window,
    call_ticket,
    finish_ticket,
    miss_ticket,
    recall,
    send_to_door,
    start_ticket,
)
from app.queueing.joining import (
    AlreadyCalled,
    DeskOnly,
    NotToday,
    TicketNotFound,
    join_queue,
    readmit,
    rejoin_queue,
    undo_check_in,
)
from app.queueing.queues import department_queue, window_queue
from app.queueing.tables import PriorityClass
from tests.make import organization, patients, visit
from tests.make.identity import staff_actor
from tests.make.rows import value

SYSTEM = system("test")


async def status(ticket_id: object) -> str:
    return await value("SELECT status FROM ticket WHERE id = $1", ticket_id)


async def number(ticket_id: object) -> str:
    return await value("SELECT number FROM ticket WHERE id = $1", ticket_id)


async def told(kind: str) -> int:
    return await value("SELECT count(*) FROM event WHERE kind = $1", kind)


async def call_start_finish(place: visit.Clinic) -> object:
    called = await call_next(place.doctor, room_id=place.room_id)
    await start_ticket(place.doctor, ticket_id=called)
    await finish_ticket(place.doctor, ticket_id=called)
    return called


async def test_tickets_count_up_per_queue_and_the_zone_has_no_prefix_twice(db: str) -> None:
    place = await visit.clinic()
    first, second, own = (
        await visit.ticket(place),
        await visit.ticket(place),
        await visit.ticket(place, own=True),
    )
    assert [await number(t) for t in (first, second, own)] == ["A001", "A002", "B001"]
    assert await told("ticket.issued") == 3
    assert await told("queue.changed") == 3


async def test_joining_twice_gives_the_same_ticket(db: str) -> None:
    place = await visit.clinic()
    queue_id = await department_queue(SYSTEM, department_id=place.department_id)
    asked = {
        "queue_id": queue_id,
        "person_id": await patients.person(),
        "subject_kind": "appointment",
        "subject_id": new_id(),
    }
    assert await join_queue(SYSTEM, **asked) == await join_queue(SYSTEM, **asked)
    assert await told("ticket.issued") == 1


async def test_the_earlier_window_is_called_first_whoever_checked_in_first(db: str) -> None:
    place = await visit.clinic()
    later = await visit.ticket(place, planned_at=await visit.now() + timedelta(hours=1), seq_no=5)
    earlier = await visit.ticket(place, planned_at=await visit.now(), seq_no=2)
    assert await call_start_finish(place) == earlier
    assert await call_start_finish(place) == later
    with pytest.raises(QueueEmpty):
        await call_next(place.doctor, room_id=place.room_id)


async def test_a_call_tells_ticket_room_and_boards(db: str) -> None:
    place = await visit.clinic()
    ticket_id = await visit.ticket(place)
    await call_next(place.doctor, room_id=place.room_id)
    fact = await value("SELECT fact::text FROM event WHERE kind = 'ticket.called'")
    assert f'"ticket_id": "{ticket_id}"' in fact
    assert '"repeat_no": 1' in fact
    assert "李" not in fact
    boards = await value(
        "SELECT fact::text FROM event WHERE kind = 'queue.changed' ORDER BY aggregate_version DESC LIMIT 1"
    )
    assert str(place.room_id) in boards
    assert '"reason": "called"' in boards
    assert await value("SELECT room_id FROM ticket WHERE id = $1", ticket_id) == place.room_id


async def test_the_doctors_own_queue_comes_before_the_departments(db: str) -> None:
    place = await visit.clinic()
    await visit.ticket(place)
    own = await visit.ticket(place, own=True)
    assert await call_next(place.doctor, room_id=place.room_id) == own


async def test_another_doctor_does_not_call_a_doctors_own_queue(db: str) -> None:
    place = await visit.clinic()
    neighbour = await visit.clinic(department_id=place.department_id)
    await visit.ticket(place, own=True)
    with pytest.raises(QueueEmpty):
        await call_next(neighbour.doctor, room_id=neighbour.room_id)


async def test_a_recall_keeps_the_call_and_counts_up(db: str) -> None:
    place = await visit.clinic()
    ticket_id = await visit.ticket(place)
    await call_next(place.doctor, room_id=place.room_id)
    call = await value("SELECT call_id FROM ticket WHERE id = $1", ticket_id)
    await recall(place.doctor, ticket_id=ticket_id)
    assert await value("SELECT call_id FROM ticket WHERE id = $1", ticket_id) == call
    assert await value("SELECT repeat_no FROM ticket WHERE id = $1", ticket_id) == 2
    assert await value("SELECT count(*) FROM ticket_call WHERE call_id = $1", call) == 2


async def test_only_a_called_ticket_is_called_again(db: str) -> None:
    place = await visit.clinic()
    with pytest.raises(NotCalled):
        await recall(place.doctor, ticket_id=await visit.ticket(place))


async def test_a_desk_calls_one_at_a_time(db: str) -> None:
    place = await visit.clinic()
    await visit.ticket(place)
    await visit.ticket(place)
    await call_next(place.doctor, room_id=place.room_id)
    with pytest.raises(DeskHasCalled):
        await call_next(place.doctor, room_id=place.room_id)


async def test_a_nurse_calls_for_the_doctor_who_sits_there(db: str) -> None:
    place = await visit.clinic()
    nurse = staff_actor(await organization.staff(role="nurse", department_id=place.department_id))
    first, second = await visit.ticket(place), await visit.ticket(place)
    with pytest.raises(NoDoctorHere):
        await call_next(nurse, room_id=place.room_id)
    assert await call_start_finish(place) == first
    assert await call_next(nurse, room_id=place.room_id) == second
    assert await value("SELECT called_by FROM ticket WHERE id = $1", second) == place.staff_id


@pytest.mark.parametrize("role", ["doctor", "pharmacist"])
async def test_strangers_to_the_room_do_not_call(db: str, role: str) -> None:
    place, elsewhere = await visit.clinic(), await visit.clinic()
    department = elsewhere.department_id if role == "doctor" else place.department_id
    stranger = staff_actor(await organization.staff(role=role, department_id=department))
    with pytest.raises(NotYourRoom):
        await call_next(stranger, room_id=place.room_id)
    with pytest.raises(NotYourRoom):
        await call_next(SYSTEM, room_id=place.room_id)


async def test_staff_of_another_department_find_no_ticket(db: str) -> None:
    place, elsewhere = await visit.clinic(), await visit.clinic()
    ticket_id = await visit.ticket(place)
    for act in (recall, miss_ticket, start_ticket, finish_ticket, undo_check_in):
        with pytest.raises(TicketNotFound):
            await act(elsewhere.doctor, ticket_id=ticket_id)
    with pytest.raises(TicketNotFound):
        await recall(SYSTEM, ticket_id=new_id())


async def miss(place: visit.Clinic) -> object:
    ticket_id = await call_next(place.doctor, room_id=place.room_id)
    await miss_ticket(place.doctor, ticket_id=ticket_id)
    return ticket_id


async def test_missed_once_returns_among_the_missed_twice_at_the_end_thrice_only_by_the_desk(db: str) -> None:
    place = await visit.clinic()
    ticket_id = await visit.ticket(place)
    for letter in ("M", "L"):
        assert await miss(place) == ticket_id
        assert await status(ticket_id) == "missed"
        with pytest.raises(QueueEmpty):
            await call_next(place.doctor, room_id=place.room_id)
        await rejoin_queue(SYSTEM, ticket_id=ticket_id)
        assert await value("SELECT list FROM ticket WHERE id = $1", ticket_id) == letter
    await miss(place)
    assert await status(ticket_id) == "abandoned"
    with pytest.raises(DeskOnly):
        await rejoin_queue(SYSTEM, ticket_id=ticket_id)
    await readmit(place.doctor, ticket_id=ticket_id)
    assert await value("SELECT list FROM ticket WHERE id = $1", ticket_id) == "L"
    assert await call_next(place.doctor, room_id=place.room_id) == ticket_id


async def test_readmission_is_for_the_abandoned(db: str) -> None:
    place = await visit.clinic()
    with pytest.raises(WrongState):
        await readmit(place.doctor, ticket_id=await visit.ticket(place))


async def test_the_pattern_holds_over_calls(db: str) -> None:
    place = await visit.clinic()
    normals = [await visit.ticket(place, seq_no=i, planned_at=await visit.now()) for i in range(4)]
    late = [await visit.ticket(place, late=True) for _ in range(2)]
    expected = [normals[0], normals[1], late[0], normals[2], normals[3], late[1]]
    assert [await call_start_finish(place) for _ in expected] == expected


async def test_priority_goes_first_and_needs_a_reason(db: str) -> None:
    place = await visit.clinic()
    await visit.ticket(place)
    elder = await visit.ticket(place, priority=PriorityClass.ELDER_80)
    assert await call_next(place.doctor, room_id=place.room_id) == elder


async def test_a_return_from_a_test_belongs_to_its_doctor(db: str) -> None:
    place = await visit.clinic()
    neighbour = await visit.clinic(department_id=place.department_id)
    ticket_id = await visit.ticket(place)
    await call_next(place.doctor, room_id=place.room_id)
    await start_ticket(place.doctor, ticket_id=ticket_id)
    await finish_ticket(place.doctor, ticket_id=ticket_id, out_for_test=True)
    assert await status(ticket_id) == "out_for_test"
    await rejoin_queue(SYSTEM, ticket_id=ticket_id)
    assert await value("SELECT list FROM ticket WHERE id = $1", ticket_id) == "R"
    with pytest.raises(QueueEmpty):
        await call_next(neighbour.doctor, room_id=neighbour.room_id)
    assert await call_next(place.doctor, room_id=place.room_id) == ticket_id


async def test_who_waits_at_the_door_is_called_first_but_after_an_emergency(db: str) -> None:
    place = await visit.clinic()
    first, second = await visit.ticket(place), await visit.ticket(place)
    await send_to_door(place.doctor, ticket_id=second, room_id=place.room_id)
    emergency = await visit.ticket(place, priority=PriorityClass.EMERGENCY)
    assert [await call_start_finish(place) for _ in range(3)] == [emergency, second, first]


async def test_an_undone_check_in_comes_back_to_its_place(db: str) -> None:
    place = await visit.clinic()
    first, second = await visit.ticket(place), await visit.ticket(place)
    await undo_check_in(place.doctor, ticket_id=first)
    assert await status(first) == "registered"
    await rejoin_queue(SYSTEM, ticket_id=first)
    assert await rejoin_queue(SYSTEM, ticket_id=first) == first
    assert [await call_start_finish(place), await call_start_finish(place)] == [first, second]


async def test_a_called_ticket_is_not_undone(db: str) -> None:
    place = await visit.clinic()
    ticket_id = await visit.ticket(place)
    await call_next(place.doctor, room_id=place.room_id)
    with pytest.raises(AlreadyCalled):
        await undo_check_in(place.doctor, ticket_id=ticket_id)


async def test_a_ticket_of_yesterday_does_not_come_back(db: str) -> None:
    place = await visit.clinic()
    ticket_id = await visit.ticket(place)
    await miss(place)
    await visit.set_clock(await visit.now() + timedelta(days=1))
    with pytest.raises(NotToday):
        await rejoin_queue(SYSTEM, ticket_id=ticket_id)


async def test_numbers_begin_again_each_day(db: str) -> None:
    place = await visit.clinic()
    await visit.ticket(place)
    await visit.set_clock(await visit.now() + timedelta(days=1))
    assert await number(await visit.ticket(place)) == "A001"


async def test_the_pace_is_measured_from_start_to_finish(db: str) -> None:
    place = await visit.clinic()
    ticket_id = await visit.ticket(place)
    await call_next(place.doctor, room_id=place.room_id)
    await start_ticket(place.doctor, ticket_id=ticket_id)
    await visit.set_clock(await visit.now() + timedelta(minutes=7))
    await finish_ticket(place.doctor, ticket_id=ticket_id)
    assert await value("SELECT service_s FROM queue_day") == 420


async def test_a_visit_ends_after_a_test_without_coming_back(db: str) -> None:
    place = await visit.clinic()
    ticket_id = await visit.ticket(place)
    await call_next(place.doctor, room_id=place.room_id)
    await start_ticket(place.doctor, ticket_id=ticket_id)
    await finish_ticket(place.doctor, ticket_id=ticket_id, out_for_test=True)
    await finish_ticket(place.doctor, ticket_id=ticket_id)
    assert await status(ticket_id) == "done"


async def window_ticket(window_id: object) -> object:
    return await join_queue(
        SYSTEM,
        queue_id=await window_queue(SYSTEM, window_id=window_id),  # type: ignore[arg-type] - made by organization.window
        person_id=await patients.person(),
        subject_kind="prescription",
        subject_id=new_id(),
    )


async def test_a_window_calls_in_order_or_what_is_ready(db: str) -> None:
    window_id = await organization.window()
    pharmacist: Actor = staff_actor(await organization.staff(role="pharmacist"))
    with pytest.raises(QueueEmpty):
        await call_next_at_window(pharmacist, window_id=window_id)
    first, second, third = [await window_ticket(window_id) for _ in range(3)]
    assert await call_next_at_window(pharmacist, window_id=window_id) == first
    assert await call_ticket(pharmacist, ticket_id=third) == third  # type: ignore[arg-type] - an id
    assert await call_ticket(pharmacist, ticket_id=third) == third  # type: ignore[arg-type] - an id
    assert await value("SELECT repeat_no FROM ticket WHERE id = $1", third) == 2
    await finish_ticket(pharmacist, ticket_id=third)  # type: ignore[arg-type] - an id
    assert await call_next_at_window(pharmacist, window_id=window_id) == second
    with pytest.raises(QueueEmpty):
        await call_next_at_window(pharmacist, window_id=window_id)
    assert await told("window_queue.changed") == 8


async def test_every_refusal_says_what_to_do(db: str) -> None:
    for error in (QueueEmpty, DeskHasCalled, NotCalled, NotYourRoom, NoDoctorHere, DeskOnly, NotToday):
        assert issubclass(error, DomainError)
        assert error.message.endswith("。")

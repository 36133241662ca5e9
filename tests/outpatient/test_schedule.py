"""Templates become sessions once, and numbers wake at their instant."""

from datetime import date, time, timedelta

from app.kernel.actor import system
from app.outpatient.rules import at
from app.outpatient.schedule import Template, days_to_make, free_numbers, make_templates, roll_sessions
from app.outpatient.tables import HalfDay, VisitType
from tests.make import visit
from tests.make.rows import row, value

SYSTEM = system("test")
MONDAY = date(2026, 3, 2)


async def template(place: visit.Clinic, **values: object) -> Template:
    asked: dict[str, object] = {
        "campus_id": place.campus_id,
        "department_id": place.department_id,
        "staff_id": place.staff_id,
        "room_id": place.room_id,
        "weekday": 3,
        "half_day": HalfDay.MORNING,
        "visit_type": VisitType.ORDINARY,
        "item_id": place.item_id,
        "valid_from": MONDAY,
        **values,
    }
    return Template(**asked)  # type: ignore[arg-type] - the defaults above and the test's own values


async def test_fourteen_days_ahead_are_made_once(db: str) -> None:
    await visit.set_clock(at(MONDAY, time(10)))
    place = await visit.clinic()
    assert await make_templates(SYSTEM, templates=[await template(place)]) == 1
    assert await roll_sessions() == 2
    assert await value("SELECT array_agg(held_on ORDER BY held_on) FROM clinic_session") == [
        date(2026, 3, 4),
        date(2026, 3, 11),
    ]
    assert await value("SELECT count(*) FROM session_window") == 16
    assert await value("SELECT count(*) FROM number") == 64
    assert await value("SELECT max(seq_no) FROM number") == 32
    assert await roll_sessions() == 0


async def test_the_release_is_seven_days_ahead_at_seven(db: str) -> None:
    await visit.set_clock(at(MONDAY, time(10)))
    await make_templates(SYSTEM, templates=[await template(await visit.clinic())])
    await roll_sessions()
    assert await value("SELECT max(opens_at) FROM clinic_session") == at(date(2026, 3, 4), time(7))


async def test_templates_known_already_are_not_made_again(db: str) -> None:
    one = await template(await visit.clinic())
    assert await make_templates(SYSTEM, templates=[one, one]) == 1
    assert await make_templates(SYSTEM, templates=[one]) == 0


async def test_a_moved_clock_rolls_on_and_a_template_ends(db: str) -> None:
    await visit.set_clock(at(MONDAY, time(10)))
    await make_templates(SYSTEM, templates=[await template(await visit.clinic(), valid_to=date(2026, 3, 20))])
    await roll_sessions()
    await visit.set_clock(at(date(2026, 3, 9), time(10)))
    assert await roll_sessions() == 1  # the 18th; the 25th would be beyond the template's end
    assert await days_to_make(SYSTEM) == []


async def test_a_stopped_session_is_not_made_again(db: str) -> None:
    await visit.set_clock(at(MONDAY, time(10)))
    await make_templates(SYSTEM, templates=[await template(await visit.clinic())])
    await roll_sessions()
    await value("UPDATE clinic_session SET status = 'stopped' RETURNING 1")
    assert await roll_sessions() == 0


async def test_numbers_wake_when_their_instant_has_come(db: str) -> None:
    await visit.set_clock(at(MONDAY, time(10)))
    place = await visit.clinic()
    await visit.session(place, opens_at=at(MONDAY, time(9)))
    await visit.session(place, half_day="pm", opens_at=at(MONDAY, time(11)))
    assert await free_numbers() == 2
    assert await free_numbers() == 0
    await visit.set_clock(at(MONDAY, time(11)))
    assert await free_numbers() == 2


async def test_a_recycling_number_wakes_too(db: str) -> None:
    place = await visit.clinic()
    made = await visit.session(place, capacity=1)
    await row(
        "number",
        session_id=made.id,
        window_id=made.windows[0],
        seq_no=9,
        status="recycling",
        free_at=await visit.now() - timedelta(minutes=1),
    )
    assert await free_numbers() == 2

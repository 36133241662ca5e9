"""Binding and booking: what a phone is refused, and the last place that two want."""

import asyncio
from typing import Any

import pytest

from app.demo.arriving import log_in, person
from app.demo.callers import Refused
from app.demo.day import Day
from app.demo.people import new_birthday, new_id_number, new_name
from tests.visitors import Place, Visitor, arrive, book, find_place, hold, new_visitor

RIVALS = 6
SON, PARENT = "2", "5"  # GB/T 4761


async def refusal(visitor: Visitor, path: str) -> str:
    with pytest.raises(Refused) as refused:
        await visitor.phone.get(path)
    return f"{refused.value.status} {refused.value.code}"


async def test_a_number_with_a_wrong_check_digit_binds_nobody(day: Day) -> None:
    mother = await new_visitor(day)
    born = new_birthday(day.today, age=8)
    right = new_id_number(born_on=born, sex="1")
    wrong = right[:-1] + ("1" if right[-1] != "1" else "2")
    child = person(new_name(), "1", born.isoformat(), "2", wrong)

    await mother.phone.expect_refusal("id_number_invalid", "/persons", child)

    assert [p["id"] for p in await persons(mother)] == [mother.person["id"]]
    await mother.phone.post("/persons", child | {"id_number": right})


async def test_a_child_is_bound_by_a_grown_up_guardian_or_not_at_all(day: Day) -> None:
    payer = await day.wechat.new_payer()
    nobody_yet = await log_in(day, "wechat", await day.wechat.login_code(payer))
    mother = await new_visitor(day)
    born = new_birthday(day.today, age=8)
    child = person(new_name(), "1", born.isoformat(), SON, new_id_number(born_on=born, sex="1"))

    sentence = await nobody_yet.expect_refusal("guardian_needed", "/persons", child)
    await mother.phone.expect_refusal("guardian_needed", "/persons", child | {"relation": PARENT})

    assert "监护人" in sentence
    assert len(await persons(mother)) == 1
    assert (await mother.phone.post("/persons", child))["guardian"]


async def persons(visitor: Visitor) -> list[dict[str, Any]]:
    return (await visitor.phone.get("/persons"))["items"]


async def test_a_sold_out_window_is_refused_and_a_given_up_place_rests(day: Day) -> None:
    early = await new_visitor(day)
    place = await find_place(day, early.phone)
    held = [await hold(early, place)]
    for _ in range(place.window["capacity"] - 1):
        held.append(await hold(await new_visitor(day), place))
    assert sorted(h["seq_no"] for h in held) == list(range(held[0]["seq_no"], held[0]["seq_no"] + len(held)))

    late = await new_visitor(day)
    with pytest.raises(Refused) as refused:
        await hold(late, place)
    assert (refused.value.status, refused.value.code) == (409, "window_full")

    await early.phone.post(f"/appointments/{held[0]['id']}/cancel")
    with pytest.raises(Refused) as refused:  # nobody can wait for the very moment
        await hold(late, place)
    assert refused.value.code == "window_full"


async def test_of_many_who_want_the_last_place_one_gets_it(day: Day) -> None:
    rivals = [await new_visitor(day) for _ in range(RIVALS)]
    place = await find_place(day, rivals[0].phone)
    for _ in range(place.window["capacity"] - 1):
        await hold(await new_visitor(day), place)

    outcomes = await asyncio.gather(*(outcome(rival, place) for rival in rivals))

    assert sorted(outcomes) == ["held"] + ["window_full"] * (RIVALS - 1)
    windows = (await rivals[0].phone.get(f"/sessions/{place.session['session_id']}/windows"))["items"]
    assert next(w["free"] for w in windows if w["window_id"] == place.window["window_id"]) == 0


async def outcome(rival: Visitor, place: Place) -> str:
    try:
        return (await hold(rival, place))["status"]
    except Refused as refused:
        return refused.code


async def test_a_stranger_finds_nothing_of_a_booking(day: Day) -> None:
    patient, appointment, _ = await book(day)
    ticket = await arrive(day, patient, appointment)
    stranger = await new_visitor(day)
    seen = await patient.phone.get(f"/appointments/{appointment['id']}")
    paths = {
        f"/appointments/{appointment['id']}": "appointment_not_found",
        f"/bills/{seen['bill_id']}": "bill_not_found",
        f"/tickets/{ticket['ticket_id']}": "ticket_not_found",
    }

    heard = {path: await refusal(stranger, path) for path in paths}

    assert heard == {path: f"404 {code}" for path, code in paths.items()}
    with pytest.raises(Refused) as refused:
        await stranger.phone.get("/timeline", person_id=patient.person["id"])
    assert (refused.value.status, refused.value.code) == (404, "person_not_found")
    for path in paths:
        await patient.phone.get(path)  # she herself is shown all of it
    lists = [
        await stranger.phone.get(f"/{name}") for name in ("appointments", "bills", "tickets", "messages")
    ]
    assert [found["items"] if isinstance(found, dict) else found for found in lists] == [[]] * len(lists)
    with pytest.raises(Refused) as refused:
        await stranger.phone.post(f"/appointments/{appointment['id']}/cancel")
    assert refused.value.status == 404

"""Paid in time, heard of too late: the hold ran out before the hospital learnt of the money."""

from datetime import timedelta
from typing import Any

from app.demo.day import Day, eventually
from tests.visitors import Place, Visitor, becomes, find_place, hold, new_visitor, order_payment, pay

HOLD_AND_A_BIT = timedelta(minutes=16)
REST_AND_A_BIT = timedelta(minutes=31)  # a number that was given back rests up to half an hour
ENDS_SECONDS_MAX = 20.0


async def later(day: Day, by: timedelta) -> None:
    admin = await day.staff("system_admin")
    await admin.post("/clock", {"at": (await day.business_now(admin) + by).isoformat()})


async def paid_unheard_and_expired(day: Day) -> tuple[Visitor, dict[str, Any], Place, str]:
    """She paid within the 15 minutes, and neither notice nor query reached the hospital in time."""
    visitor = await new_visitor(day)
    place = await find_place(day, visitor.phone)
    appointment = await hold(visitor, place)
    attempt = await order_payment(visitor, appointment)
    await day.wechat.post("/faults", {"name": "withhold", "endpoint": "TRANSACTION.SUCCESS"})
    await day.wechat.post("/faults", {"name": "unavailable_before", "endpoint": "query", "times": 10_000})
    paid = await pay(day, visitor, attempt)
    await later(day, HOLD_AND_A_BIT)
    await becomes(visitor, appointment, "expired")
    return visitor, appointment, place, paid["out_trade_no"]


async def hear_at_last(day: Day) -> None:
    await day.http.delete(day.wechat.card["control_url"] + "/faults")
    assert (await day.wechat.post("/notices/release"))["due"] == 1


async def refunded(day: Day) -> int:
    return (await day.wechat.get("/book"))["merchant"]["refunded_fen"]


async def test_a_place_that_is_still_free_is_hers_again(day: Day) -> None:
    visitor, appointment, place, _ = await paid_unheard_and_expired(day)
    before = await refunded(day)

    await hear_at_last(day)

    booked = await becomes(visitor, appointment, "booked")
    assert (booked["seq_no"], booked["starts_at"]) == (appointment["seq_no"], place.window["starts_at"])
    bill = await visitor.phone.get(f"/bills/{booked['bill_id']}")
    assert (bill["status"], bill["refunded_fen"], bill["refunds"]) == ("paid", 0, [])
    assert await refunded(day) == before


async def test_a_place_that_another_took_is_refunded_once(day: Day) -> None:
    visitor, appointment, place, number = await paid_unheard_and_expired(day)
    await later(day, REST_AND_A_BIT)
    other = await new_visitor(day)
    taken = await hold(other, place)
    assert taken["seq_no"] == appointment["seq_no"]
    before = await refunded(day)

    await hear_at_last(day)

    closed = await becomes(visitor, appointment, "closed_late_pay")
    bill = await eventually(
        lambda: visitor.phone.get(f"/bills/{closed['bill_id']}"),
        lambda b: [r["status"] for r in b["refunds"]] == ["succeeded"],
        "the refund",
        seconds=ENDS_SECONDS_MAX,
    )
    assert bill["refunds"][0]["reason"] == "late"
    assert await refunded(day) == before + appointment["fee_fen"]
    for notice in await notices_of(day, number):  # told again, it is not refunded again
        await day.wechat.post(f"/notices/{notice['id']}/deliver")
    assert len((await visitor.phone.get(f"/bills/{closed['bill_id']}"))["refunds"]) == 1
    assert await refunded(day) == before + appointment["fee_fen"]
    assert (await other.phone.get(f"/appointments/{taken['id']}"))["status"] == "held"


async def notices_of(day: Day, number: str) -> list[dict[str, Any]]:
    """Of the payment and of its one refund."""
    (refund,) = (await day.wechat.get(f"/orders/{number}"))["refunds"]
    found = [
        (await day.wechat.get(f"/notices?reference={reference}"))["items"]
        for reference in (number, refund["out_refund_no"])
    ]
    return [notice for some in found for notice in some]

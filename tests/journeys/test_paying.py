"""Only WeChat Pay's own word books a place: not a forger's, and never twice."""

from typing import Any

from app.demo.day import Day
from app.demo.treating import book_differences
from tests.hospital import RunningHospital
from tests.journeys import notices
from tests.visitors import Visitor, becomes, find_place, hold, new_visitor, order_payment, pay

DUPLICATES = 20


async def held(day: Day) -> tuple[Visitor, dict[str, Any], dict[str, Any]]:
    visitor = await new_visitor(day)
    appointment = await hold(visitor, await find_place(day, visitor.phone))
    return visitor, appointment, await order_payment(visitor, appointment)


async def deaf(day: Day, *, also_to_queries: bool) -> None:
    """From now on the hospital hears nothing of payments; nor learns it by asking."""
    await day.wechat.post("/faults", {"name": "withhold", "endpoint": "TRANSACTION.SUCCESS"})
    if also_to_queries:
        await day.wechat.post("/faults", {"name": "unavailable_before", "endpoint": "query", "times": 10_000})


async def paid_fen(day: Day) -> int:
    cashier = await day.staff("cashier")
    channels = (await cashier.get("/ledger/totals"))["channels"]
    return sum(c["paid_fen"] for c in channels if c["channel"].startswith("wechat"))


async def test_a_forged_notice_books_nothing_and_the_genuine_one_does(
    day: Day, running_hospital: RunningHospital
) -> None:
    visitor, appointment, attempt = await held(day)
    await deaf(day, also_to_queries=True)
    paid = await pay(day, visitor, attempt)
    before = await paid_fen(day)
    # Money that we have not heard of is what the comparison after every story looks for.
    assert await book_differences(day, await day.staff("cashier")) != []
    body = notices.paid_notice(day.wechat.card, paid, visitor.payer)
    genuine = notices.signed(day.wechat.card, body, notices.platform_key(running_hospital.data))
    forgeries = {
        "no signature": {"Content-Type": "application/json"},
        "another's signature": genuine | {"Wechatpay-Signature": "bm90IGEgc2lnbmF0dXJl"},
        "another key": notices.signed(day.wechat.card, body, notices.foreign_key()),
    }

    refused = {name: await notices.tell(day.http, body, headers) for name, headers in forgeries.items()}
    changed = await notices.tell(day.http, body.replace(b"SUCCESS", b"SUCCESs", 1), genuine)

    assert {name: reply.status_code for name, reply in refused.items()} == dict.fromkeys(forgeries, 401)
    assert changed.status_code == 401
    assert (await visitor.phone.get(f"/appointments/{appointment['id']}"))["status"] == "held"
    assert await paid_fen(day) == before

    # The very same words under the right key are believed: the signature decided, nothing else.
    assert (await notices.tell(day.http, body, genuine)).status_code == 200
    await becomes(visitor, appointment, "booked")
    assert await paid_fen(day) == before + attempt["amount_fen"]


async def test_a_notice_that_never_comes_is_asked_for(day: Day) -> None:
    visitor, appointment, attempt = await held(day)
    await deaf(day, also_to_queries=False)
    paid = await pay(day, visitor, attempt)

    await becomes(visitor, appointment, "booked")

    told = (await day.wechat.get(f"/notices?reference={paid['out_trade_no']}"))["items"]
    assert [notice["state"] for notice in told] == ["withheld"]


async def test_a_notice_told_twenty_times_is_one_payment(day: Day) -> None:
    visitor, appointment, attempt = await held(day)
    before = await paid_fen(day)
    paid = await pay(day, visitor, attempt)
    await becomes(visitor, appointment, "booked")

    notice = (await day.wechat.get(f"/notices?reference={paid['out_trade_no']}"))["items"][0]
    told = [await day.wechat.post(f"/notices/{notice['id']}/deliver") for _ in range(DUPLICATES)]

    assert [d["status"] for d in told[-1]["deliveries"]] == [200] * (DUPLICATES + 1)
    assert await paid_fen(day) == before + attempt["amount_fen"]
    booked = await visitor.phone.get(f"/appointments/{appointment['id']}")
    bill = await visitor.phone.get(f"/bills/{booked['bill_id']}")
    assert (bill["status"], bill["refunds"]) == ("paid", [])
    page = await visitor.phone.get("/timeline", person_id=visitor.person["id"])
    assert [step["kind"] for step in page["items"]].count("bill.paid") <= 1


async def test_what_was_paid_once_is_not_payable_again(day: Day) -> None:
    visitor, appointment, attempt = await held(day)
    again = await visitor.phone.post(f"/bills/{attempt['bill_id']}/payments", {"channel": "wechat_jsapi"})
    assert again["attempt_id"] == attempt["attempt_id"]
    await pay(day, visitor, attempt)
    await becomes(visitor, appointment, "booked")

    await visitor.phone.expect_refusal(
        "bill_not_payable", f"/bills/{attempt['bill_id']}/payments", {"channel": "wechat_jsapi"}
    )

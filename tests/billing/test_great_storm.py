"""Three hundred bills in the storm at once: both books stay equal, and without de-duplication they do not."""

import asyncio
import random
from typing import Any

import msgspec
import pytest

from app.billing import arrivals, notice_routes, postings
from app.billing.notices import accept_notice
from app.kernel.ids import new_id
from tests.billing.conftest import SIMULATOR, PayingHospital
from tests.billing.test_notices import deliver, paid_in_silence
from tests.billing.test_storm import STEPS_PER_BILL, Story, assert_paid_once, quieten
from tests.evidence import evidence
from tests.make.rows import value

pytestmark = [pytest.mark.commits, pytest.mark.long]

WAVES = 20
BILLS_PER_WAVE = 15  # at once: more than the pool has connections
TOTALS = (
    "SELECT json_build_object('attempts', (SELECT count(*) FROM attempt),"
    " 'notices', (SELECT count(*) FROM pay_notice), 'refunds', (SELECT count(*) FROM refund),"
    " 'journals', (SELECT count(*) FROM journal),"
    " 'bills', (SELECT json_object_agg(status, n) FROM"
    " (SELECT status, count(*) AS n FROM bill GROUP BY 1) AS b))"
)


async def wave(hospital: PayingHospital, seed: int) -> None:
    """Stories beside each other: a fault of one strikes whoever calls next."""
    stories = [Story(hospital, random.Random(seed * 1000 + n)) for n in range(BILLS_PER_WAVE)]
    for story in stories:
        await story.begin()
    await asyncio.gather(*(tell(story) for story in stories))
    await quieten(hospital, *stories)
    await hospital.assert_books_agree()
    for story in stories:
        await assert_paid_once(story.bill_id)


async def tell(story: Story) -> None:
    for _ in range(STEPS_PER_BILL):
        await story.step()


async def test_three_hundred_bills_leave_both_books_equal(
    hospital: PayingHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    what = (
        "300 bills, random orders, payments, faults, expiry and refunds: our ledger and the platforms' books"
    )
    with evidence("payment-storm", what) as numbers:
        for seed in range(WAVES):
            await wave(hospital, seed)
        ours = await hospital.books()
        numbers.update(
            orders=WAVES * BILLS_PER_WAVE, steps_each=STEPS_PER_BILL, at_once=BILLS_PER_WAVE,
            books_equal=ours.balanced, net_fen={c.channel: c.net_fen for c in ours.channels},
            **msgspec.json.decode(await value(TOTALS)),
        )  # fmt: skip
        numbers["control_without_deduplication"] = await without_deduplication(hospital, monkeypatch)


async def without_deduplication(hospital: PayingHospital, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The control: a house that books every notice anew differs from the platforms after one repeat."""

    async def accept_anew(actor: Any, *, notice: Any, **values: Any) -> Any:
        return await accept_notice(actor, notice=msgspec.structs.replace(notice, id=new_id().hex), **values)

    async def take_again(actor: Any, name: Any, trade: Any, attempt: Any) -> Any:
        await postings.received(
            actor, attempt_id=new_id(), from_account=postings.clearing(name, attempt["merchant"]),
            into=postings.RECEIVABLE, subject_id=attempt["bill_id"], amount_fen=attempt["amount_fen"],
        )  # fmt: skip
        return arrivals.NoticeOutcome.APPLIED

    monkeypatch.setattr(notice_routes, "accept_notice", accept_anew)
    monkeypatch.setattr(arrivals, "_paid_before", take_again)
    for channel in SIMULATOR:
        _, attempt_id = await paid_in_silence(hospital, channel)
        for _ in range(3):
            await deliver(hospital, channel, attempt_id)
    with pytest.raises(AssertionError):
        await hospital.assert_books_agree()
    ours = await hospital.books()
    theirs = {
        channel: (await hospital.platforms.call(platform, "GET", "/book"))["merchant"]["net_fen"]
        for channel, platform in SIMULATOR.items()
    }
    return {f"{c.channel}_too_much_fen": c.net_fen - theirs[c.channel] for c in ours.channels}

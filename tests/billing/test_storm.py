"""Whatever order things happen in: the ledger balances, both books agree, and no bill is paid twice."""

import asyncio
import random
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from app.billing.charges import cancel_bill, expire_bill
from app.billing.late import refund_late, revive_bill
from app.billing.payments import start_attempt, submit_attempt
from app.billing.queries import attempt_view
from app.billing.refunds import request_refund
from app.billing.tables import BillKind, PayMethod
from app.kernel.actor import system
from app.kernel.errors import DomainError
from tests.billing.conftest import SIMULATOR, PayingHospital
from tests.make import billing as make
from tests.make.rows import value

pytestmark = pytest.mark.commits

TEST = system("test")
STEPS_PER_BILL = 12
BILLS = 6


class Story:
    """One bill, two payers' phones, and everything that may happen to them in any order."""

    def __init__(self, hospital: PayingHospital, chance: random.Random) -> None:
        self.hospital = hospital
        self.chance = chance
        self.bill_id = UUID(int=0)
        self.payers: dict[str, make.Payer] = {}
        self.attempts: list[UUID] = []

    async def begin(self) -> None:
        for platform in SIMULATOR:
            self.payers[platform] = await self.hospital.payer(platform)
        kind = self.chance.choice([BillKind.REGISTRATION, BillKind.OUTPATIENT])
        person_id = self.payers["wechat"].person_id
        self.bill_id = await make.bill(person_id, kind=kind, prices=(10_000_000, 2_340_000))

    async def step(self) -> None:
        steps = (
            self.order, self.order, self.tap, self.tap, self.notices, self.sweep, self.refund, self.cancel,
            self.expire, self.decide, self.fault,
        )  # fmt: skip
        with suppress(DomainError):  # a refusal is an answer; what counts is what the books say in the end
            await self.chance.choice(steps)()

    async def order(self) -> None:
        method = self.chance.choice(list(PayMethod))
        actor = self.payers["wechat"].actor if method is PayMethod.WECHAT_JSAPI else TEST
        if method is PayMethod.ALIPAY_MINI:
            return
        attempt_id = await start_attempt(actor, bill_id=self.bill_id, method=method)
        if attempt_id not in self.attempts:
            self.attempts.append(attempt_id)
        if self.chance.random() < 0.8:
            await submit_attempt(TEST, attempt_id=attempt_id)

    async def tap(self) -> None:
        for attempt_id in self.attempts:
            attempt = await attempt_view(TEST, attempt_id=attempt_id)
            how: dict[str, Any] | None = None
            if attempt.pay_params is not None:
                how = {"pay_params": attempt.pay_params}
            elif attempt.code_url is not None:
                how = {"code_url" if attempt.channel == "wechat" else "qr_code": attempt.code_url}
            if how is not None:
                path = f"/payers/{self.payers[attempt.channel].wallet}/payments"
                await self.hospital.platforms.answer(SIMULATOR[attempt.channel], "POST", path, **how)

    async def notices(self) -> None:
        for platform in SIMULATOR.values():
            await self.hospital.platforms.answer(platform, "POST", "/notices/release")

    async def sweep(self) -> None:
        await self.hospital.sweep()

    async def refund(self) -> None:
        await request_refund(TEST, bill_id=self.bill_id)

    async def cancel(self) -> None:
        await cancel_bill(TEST, bill_id=self.bill_id)

    async def expire(self) -> None:
        await expire_bill(TEST, bill_id=self.bill_id)

    async def decide(self) -> None:
        await self.chance.choice([revive_bill, refund_late])(TEST, bill_id=self.bill_id)

    async def fault(self) -> None:
        channel = self.chance.choice(list(SIMULATOR))
        name = self.chance.choice(
            ["lose_reply", "lose_request", "error_after", "forged_reply", "withhold", "duplicate", "lose"]
        )
        await self.hospital.fault(channel, name)


@pytest.mark.parametrize("seed", range(BILLS))
async def test_any_order_of_events_leaves_both_books_equal(hospital: PayingHospital, seed: int) -> None:
    story = Story(hospital, random.Random(seed))
    await story.begin()
    for _ in range(STEPS_PER_BILL):
        await story.step()
    await quieten(hospital, story)
    await hospital.assert_books_agree()
    await assert_paid_once(story.bill_id)


async def quieten(hospital: PayingHospital, *stories: Story) -> None:
    """Let everything come to its end: notices delivered, attempts resolved, refunds done."""
    await hospital.clear_faults()
    await value("UPDATE attempt SET look_at = now() WHERE status = 'created' RETURNING id")
    await stories[0].notices()
    for _ in range(2):
        await hospital.forward(minutes=32)
        await hospital.sweep()
        await asyncio.sleep(0.2)
    for story in stories:
        await refund_late(TEST, bill_id=story.bill_id)
    await hospital.finish_refunds()


async def assert_paid_once(bill_id: UUID) -> None:
    applied = (
        "SELECT coalesce(sum(-amount_fen), 0)::bigint"
        " FROM journal_leg l JOIN journal j ON j.id = l.journal_id"
        " WHERE l.subject_id = $1 AND l.account = 'patient_receivable'"
        " AND (j.source_key LIKE 'payment:%' OR j.source_key LIKE 'released:%')"
    )
    assert await value(applied, bill_id) in (0, 1234)
    live = "SELECT count(*) FROM attempt WHERE bill_id = $1 AND status IN ('submitted', 'unknown', 'created')"
    assert await value(live, bill_id) == 0
    suspended = "SELECT count(*) FROM attempt WHERE bill_id = $1 AND in_suspense"
    assert await value(suspended, bill_id) == 0

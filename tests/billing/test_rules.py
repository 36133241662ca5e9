"""The pure decisions, with the numbers of docs/algorithms/payments.md."""

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest

from app.billing import rules
from app.billing.rules import Arrival, NextStep, Told, arrival, attempt_ends_at, next_step, refund_fits
from app.billing.tables import AttemptStatus, BillKind, BillStatus, PayMethod

NOON = datetime(2026, 3, 2, 4, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize("kind", list(BillKind))
@pytest.mark.parametrize("status", list(BillStatus))
def test_what_money_does_when_it_comes(status: BillStatus, kind: BillKind) -> None:
    expired = {
        BillKind.REGISTRATION: Arrival.ASKS,
        BillKind.OUTPATIENT: Arrival.RETURNS,
        BillKind.DEPOSIT: Arrival.REVIVES,
    }
    if status in ("open", "locked", "paying"):
        wanted = Arrival.SETTLES
    elif status == "expired":
        wanted = expired[kind]
    else:
        wanted = Arrival.RETURNS
    assert arrival(status, kind) is wanted


def test_an_attempt_ends_with_its_bill_or_after_half_an_hour_in_whole_seconds() -> None:
    whole = NOON.replace(microsecond=0)
    assert attempt_ends_at(now=NOON, bill_expires_at=None) == whole + timedelta(minutes=30)
    soon = NOON + timedelta(minutes=15)
    assert attempt_ends_at(now=NOON, bill_expires_at=soon) == whole + timedelta(minutes=15)
    assert attempt_ends_at(now=NOON, bill_expires_at=NOON + timedelta(seconds=5)) is None


def test_looks_grow_slower_and_stay_bounded() -> None:
    assert [rules.look_again_seconds(n) for n in range(7)] == [5, 10, 30, 60, 300, 300, 300]
    assert [rules.refund_look_again_seconds(n) for n in (0, 5, 50)] == [2, 1800, 1800]


def test_a_number_fits_both_channels() -> None:
    number = rules.out_number(UUID("01938f4e-0000-7000-8000-000000000001"))
    assert number == "01938f4e000070008000000000000001"
    assert len(number) == 32


def test_a_phone_pays_by_its_own_wallet_only() -> None:
    assert rules.phone_method("wechat_jsapi") is PayMethod.WECHAT_JSAPI
    with pytest.raises(KeyError):
        rules.phone_method("wechat_native")


@pytest.mark.parametrize(
    ("amount", "refunding", "refunded", "fits"),
    [(1234, 0, 0, True), (1, 1000, 233, True), (2, 1000, 233, False), (0, 0, 0, False), (-1, 0, 0, False)],
)
def test_a_refund_fits_into_what_is_left(amount: int, refunding: int, refunded: int, fits: bool) -> None:
    assert (
        refund_fits(amount_fen=amount, paid_fen=1234, refunding_fen=refunding, refunded_fen=refunded) is fits
    )


STEPS = [
    # told, over, past_end, ready -> step, for every method and status but the ones below
    (Told.PAID, False, False, False, NextStep.BOOK),
    (Told.PAID, True, True, True, NextStep.BOOK),
    (Told.CLOSED, False, False, True, NextStep.END),
    (Told.NOTHING, True, True, True, NextStep.DOUBT),
    (Told.UNPAID, False, False, True, NextStep.WAIT),
    (Told.UNPAID, False, False, False, NextStep.ORDER),
    (Told.UNPAID, True, False, True, NextStep.CLOSE),
    (Told.ABSENT, False, False, False, NextStep.ORDER),
    (Told.ABSENT, True, True, False, NextStep.END),
]


@pytest.mark.parametrize(("told", "over", "past_end", "ready", "step"), STEPS)
def test_the_step_that_follows_from_what_the_channel_said(
    told: Told, over: bool, past_end: bool, ready: bool, step: NextStep
) -> None:
    for status, method in product((AttemptStatus.SUBMITTED, AttemptStatus.UNKNOWN), PayMethod):
        if told is Told.ABSENT and method is PayMethod.ALIPAY_QR and over and not past_end:
            continue
        found = next_step(told=told, status=status, method=method, over=over, past_end=past_end, ready=ready)
        assert found is step, (status, method)


@pytest.mark.parametrize(
    ("status", "over", "past_end", "ready", "step"),
    [
        ("awaiting_payer", False, False, True, NextStep.WAIT),  # nobody has scanned it yet
        ("awaiting_payer", True, False, True, NextStep.WAIT),  # it can still be scanned
        ("awaiting_payer", True, True, True, NextStep.END),
        ("unknown", False, False, False, NextStep.ORDER),
        ("unknown", True, False, False, NextStep.WAIT),  # it may have been shown to somebody
        ("created", True, False, False, NextStep.END),  # it never left us
        ("created", False, False, False, NextStep.ORDER),
    ],
)
def test_a_qr_is_absent_until_it_is_scanned(
    status: str, over: bool, past_end: bool, ready: bool, step: NextStep
) -> None:
    found = next_step(
        told=Told.ABSENT,
        status=AttemptStatus(status),
        method=PayMethod.ALIPAY_QR,
        over=over,
        past_end=past_end,
        ready=ready,
    )
    assert found is step

"""Decisions about money, pure: amounts, patience, and what a payment does when it comes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from app.billing.tables import AttemptStatus, BillKind, BillStatus, ChannelName, PayMethod

ATTEMPT_LIFE = timedelta(minutes=30)  # far inside the two hours a prepay id lives
ATTEMPT_LIFE_LEAST = timedelta(seconds=5)
LOOK_AFTER_SECONDS = (5, 10, 30, 60, 300)
REFUND_LOOK_AFTER_SECONDS = (2, 5, 15, 60, 300, 1800)
REFUND_APART_SECONDS = {ChannelName.WECHAT: 60, ChannelName.ALIPAY: 3}
SUBMISSION_SECONDS_MAX = 15  # connecting 3, reading 10, and a little: then its sender is dead
# A QR nobody scanned is no trade yet and cannot be closed: only its own end makes it harmless.
QR_GRACE = timedelta(seconds=30)

PAYABLE = frozenset({BillStatus.OPEN, BillStatus.LOCKED, BillStatus.PAYING})

CHANNEL_OF = {
    PayMethod.WECHAT_JSAPI: ChannelName.WECHAT,
    PayMethod.WECHAT_NATIVE: ChannelName.WECHAT,
    PayMethod.ALIPAY_MINI: ChannelName.ALIPAY,
    PayMethod.ALIPAY_QR: ChannelName.ALIPAY,
}
BY_ACCOUNT = frozenset({PayMethod.WECHAT_JSAPI, PayMethod.ALIPAY_MINI})

_PHONE_METHODS = {str(method): method for method in BY_ACCOUNT}


def phone_method(name: str) -> PayMethod:
    """The way to pay of that name, among those that a phone knows."""
    return _PHONE_METHODS[name]


class Arrival(StrEnum):
    """What becomes of money that has come in for a bill."""

    SETTLES = "settles"
    REVIVES = "revives"  # the bill had expired, but the money is welcome at any time
    ASKS = "asks"  # the owner of the subject says whether it can still be had
    RETURNS = "returns"


WHEN_EXPIRED = {
    BillKind.REGISTRATION: Arrival.ASKS,
    BillKind.OUTPATIENT: Arrival.RETURNS,
    BillKind.DEPOSIT: Arrival.REVIVES,
}


def arrival(status: BillStatus, kind: BillKind) -> Arrival:
    """What money does that comes for a bill in this status."""
    if status in PAYABLE:
        return Arrival.SETTLES
    return WHEN_EXPIRED[kind] if status is BillStatus.EXPIRED else Arrival.RETURNS


def attempt_ends_at(*, now: datetime, bill_expires_at: datetime | None) -> datetime | None:
    """When a new order at a channel shall lapse, in whole seconds. None where it is too late to begin."""
    end = now + ATTEMPT_LIFE
    if bill_expires_at is not None:
        end = min(end, bill_expires_at)
    end = end.replace(microsecond=0)
    return end if end - now >= ATTEMPT_LIFE_LEAST else None


def out_number(row_id: UUID) -> str:
    """The number a channel knows a row by: its id, 32 hexadecimal digits."""
    return row_id.hex


def look_again_seconds(looks: int) -> int:
    """How long the sweeper waits after its n-th look at an attempt."""
    return _step(LOOK_AFTER_SECONDS, looks)


def refund_look_again_seconds(looks: int) -> int:
    return _step(REFUND_LOOK_AFTER_SECONDS, looks)


def _step(steps: Sequence[int], looks: int) -> int:
    return steps[min(looks, len(steps) - 1)]


class NextStep(StrEnum):
    """What to do about a live attempt, given what the channel says of it."""

    BOOK = "book"
    ORDER = "order"  # again or for the first time, with the same number and the same parameters
    CLOSE = "close"
    END = "end"  # it can never be paid
    WAIT = "wait"
    DOUBT = "doubt"  # we could not learn anything


class Told(StrEnum):
    """What the channel said about an order, as far as the next step depends on it."""

    PAID = "paid"
    UNPAID = "unpaid"
    CLOSED = "closed"
    ABSENT = "absent"
    NOTHING = "nothing"


FOLLOWS = {Told.PAID: NextStep.BOOK, Told.CLOSED: NextStep.END, Told.NOTHING: NextStep.DOUBT}


def next_step(
    *, told: Told, status: AttemptStatus, method: PayMethod, over: bool, past_end: bool, ready: bool
) -> NextStep:
    """`over`: the bill cannot be paid any more or the attempt's time is up; `past_end`: also its grace;
    `ready`: we hold what the payer needs to pay."""
    if told is Told.ABSENT:
        return _when_absent(status, method, over=over, past_end=past_end, ready=ready)
    if told is Told.UNPAID:
        if over:
            return NextStep.CLOSE
        return NextStep.WAIT if ready else NextStep.ORDER
    return FOLLOWS[told]


def _when_absent(
    status: AttemptStatus, method: PayMethod, *, over: bool, past_end: bool, ready: bool
) -> NextStep:
    """The channel has no such order. For a QR this also means: not scanned yet."""
    if method is PayMethod.ALIPAY_QR and status is not AttemptStatus.CREATED:
        if past_end:
            return NextStep.END
        return NextStep.WAIT if ready or over else NextStep.ORDER
    return NextStep.END if over else NextStep.ORDER


def refund_fits(*, amount_fen: int, paid_fen: int, refunding_fen: int, refunded_fen: int) -> bool:
    """Never more than was paid, counting what is on its way."""
    return 0 < amount_fen <= paid_fen - refunding_fen - refunded_fen

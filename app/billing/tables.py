"""What is owed, tried, paid and given back. Balances are the ledger's; these rows say why it moved."""

from enum import StrEnum

from piccolo.columns import (
    JSONB,
    UUID,
    BigInt,
    Boolean,
    ForeignKey,
    Integer,
    Numeric,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.catalog.tables import PricedItem
from app.encounters.tables import Encounter
from app.kernel.flow import Flow
from app.patients.tables import Person


class BillKind(StrEnum):
    REGISTRATION = "registration"
    OUTPATIENT = "outpatient"
    DEPOSIT = "deposit"  # has no charges: what is paid stays the patient's until discharge


class BillStatus(StrEnum):
    OPEN = "open"
    LOCKED = "locked"  # an insurer has priced it; nothing may change
    PAYING = "paying"  # at least one attempt was made; from here money can arrive
    PAID = "paid"
    PART_REFUNDED = "part_refunded"
    REFUNDED = "refunded"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Bill(Table, tablename="bill"):
    """What a patient owes for one subject (an appointment, an order batch, a stay's deposit)."""

    id = UUID(primary_key=True)
    person_id = ForeignKey(references=Person, index=True)
    encounter_id = ForeignKey(references=Encounter, null=True, default=None, index=True)
    kind = Varchar(length=16, choices=BillKind)
    subject_kind = Varchar(length=30)
    subject_id = UUID(index=True)
    status = Varchar(length=16, choices=BillStatus, default=BillStatus.OPEN)
    amount_fen = BigInt()
    refunded_fen = BigInt(default=0)  # confirmed by the channel
    expires_at = Timestamptz(null=True, default=None)  # business time
    opened_at = Timestamptz()
    paid_at = Timestamptz(null=True, default=None)
    ended_at = Timestamptz(null=True, default=None)

    bill_amount_not_negative = Check("amount_fen >= 0")
    bill_refund_within_amount = Check("refunded_fen BETWEEN 0 AND amount_fen")


BILL_FLOW = Flow(
    Bill.status,
    {
        BillStatus.OPEN: {
            BillStatus.LOCKED,
            BillStatus.PAYING,
            BillStatus.PAID,
            BillStatus.EXPIRED,
            BillStatus.CANCELLED,
        },
        BillStatus.LOCKED: {
            BillStatus.OPEN,
            BillStatus.PAYING,
            BillStatus.PAID,
            BillStatus.EXPIRED,
            BillStatus.CANCELLED,
        },
        BillStatus.PAYING: {BillStatus.OPEN, BillStatus.PAID, BillStatus.EXPIRED, BillStatus.CANCELLED},
        # Back to LOCKED: an insured bill whose kept part must be priced again.
        BillStatus.PAID: {BillStatus.PART_REFUNDED, BillStatus.REFUNDED, BillStatus.LOCKED},
        BillStatus.PART_REFUNDED: {BillStatus.REFUNDED, BillStatus.LOCKED},
        BillStatus.REFUNDED: set(),
        BillStatus.EXPIRED: {BillStatus.PAID},  # paid late, and what it was for could be had again
        BillStatus.CANCELLED: set(),
    },
)


class Fulfilment(StrEnum):
    """Execution and refund move this by compare-and-set: whoever is first has the charge."""

    PENDING = "pending"
    FULFILLED = "fulfilled"
    REFUNDED = "refunded"
    VOID = "void"  # its bill ended unpaid


class Charge(Table, tablename="charge"):
    """One priced line. The price is a copy: the list may change, what was charged does not."""

    id = UUID(primary_key=True)
    bill_id = ForeignKey(references=Bill, null=True, default=None, index=True)  # none yet during a stay
    person_id = ForeignKey(references=Person, index=True)
    encounter_id = ForeignKey(references=Encounter, null=True, default=None, index=True)
    item_id = ForeignKey(references=PricedItem)
    name = Varchar(length=120)
    quantity = Numeric(digits=(16, 4))
    unit_price_micro_yuan = BigInt()
    amount_fen = BigInt()
    source_kind = Varchar(length=30)
    source_id = UUID(index=True)  # one live charge each: charge_once in billing.sql
    fulfilment = Varchar(length=12, choices=Fulfilment, default=Fulfilment.PENDING)
    charged_at = Timestamptz()

    charge_quantity_positive = Check("quantity > 0")
    charge_amount_not_negative = Check("amount_fen >= 0 AND unit_price_micro_yuan >= 0")


FULFILMENT_FLOW = Flow(
    Charge.fulfilment,
    {
        Fulfilment.PENDING: {Fulfilment.FULFILLED, Fulfilment.REFUNDED, Fulfilment.VOID},
        Fulfilment.FULFILLED: {Fulfilment.PENDING},  # taken back, e.g. an unopened package
        Fulfilment.REFUNDED: set(),
        Fulfilment.VOID: {Fulfilment.PENDING},  # its bill was paid late and revived
    },
)


class ChannelName(StrEnum):
    WECHAT = "wechat"
    ALIPAY = "alipay"


class PayMethod(StrEnum):
    WECHAT_JSAPI = "wechat_jsapi"  # inside the mini-program, by the payer's openid
    WECHAT_NATIVE = "wechat_native"  # a QR on a terminal
    ALIPAY_MINI = "alipay_mini"
    ALIPAY_QR = "alipay_qr"


class AttemptStatus(StrEnum):
    CREATED = "created"
    SUBMITTED = "submitted"  # on its way: from here the channel may know it
    AWAITING_PAYER = "awaiting_payer"
    UNKNOWN = "unknown"  # no answer: only a query, a notice or a statement leads out
    SUCCEEDED = "succeeded"
    SUCCEEDED_LATE = "succeeded_late"  # money came when the bill could not take it: it is in suspense
    PART_REFUNDED = "part_refunded"
    REFUNDED = "refunded"
    FAILED = "failed"
    CLOSED = "closed"


class Attempt(Table, tablename="attempt"):
    """One order at a channel, under a number of our own that is never used for another."""

    id = UUID(primary_key=True)
    bill_id = ForeignKey(references=Bill, index=True)
    out_trade_no = Varchar(length=32, unique=True)
    channel = Varchar(length=8, choices=ChannelName)
    method = Varchar(length=16, choices=PayMethod)
    merchant = Varchar(length=32)  # mchid or pid at the time: whose account the money is in
    amount_fen = BigInt()
    payer = Text(null=True, default=None)  # openid or user id, encrypted
    status = Varchar(length=16, choices=AttemptStatus, default=AttemptStatus.CREATED)
    expires_at = Timestamptz()  # business time, whole seconds: what we tell the channel
    code_url = Text(null=True, default=None)  # what a terminal shows as QR
    pay_params = JSONB(null=True, default=None)  # what the phone hands to the wallet
    transaction_id = Varchar(length=64, null=True, default=None)  # the channel's number
    created_at = Timestamptz(default=TimestamptzNow())
    # Wall time of the database: patience with a channel does not follow the demo clock.
    look_at = Timestamptz(null=True, default=TimestamptzNow())  # when the sweeper looks; none: settled
    looked_at = Timestamptz(null=True, default=None)
    looks = Integer(default=0)
    paid_at = Timestamptz(null=True, default=None)
    refunding_fen = BigInt(default=0)
    refunded_fen = BigInt(default=0)
    in_suspense = Boolean(default=False)  # its money waits for revival or refund
    alarmed = Boolean(default=False)  # a person must look: the sweeper leaves it alone

    attempt_amount_positive = Check("amount_fen > 0")
    attempt_refund_within_paid = Check(
        "refunding_fen >= 0 AND refunded_fen >= 0 AND refunding_fen + refunded_fen <= amount_fen"
    )
    attempt_transaction_once = Unique(["channel", "transaction_id"])


LIVE_ATTEMPT = (
    AttemptStatus.CREATED,
    AttemptStatus.SUBMITTED,
    AttemptStatus.AWAITING_PAYER,
    AttemptStatus.UNKNOWN,
)

_PAID = {AttemptStatus.SUCCEEDED, AttemptStatus.SUCCEEDED_LATE}
_ENDED = {AttemptStatus.FAILED, AttemptStatus.CLOSED}

ATTEMPT_FLOW = Flow(
    Attempt.status,
    {
        AttemptStatus.CREATED: {AttemptStatus.SUBMITTED} | _ENDED,
        AttemptStatus.SUBMITTED: {AttemptStatus.AWAITING_PAYER, AttemptStatus.UNKNOWN} | _PAID | _ENDED,
        AttemptStatus.AWAITING_PAYER: {AttemptStatus.UNKNOWN} | _PAID | _ENDED,
        AttemptStatus.UNKNOWN: {AttemptStatus.SUBMITTED, AttemptStatus.AWAITING_PAYER} | _PAID | _ENDED,
        AttemptStatus.SUCCEEDED: {AttemptStatus.PART_REFUNDED, AttemptStatus.REFUNDED},
        AttemptStatus.SUCCEEDED_LATE: {AttemptStatus.SUCCEEDED, AttemptStatus.REFUNDED},
        AttemptStatus.PART_REFUNDED: {AttemptStatus.REFUNDED},
        AttemptStatus.REFUNDED: set(),
        # The payer may have been inside the wallet already when the order was closed or refused.
        AttemptStatus.FAILED: {AttemptStatus.SUCCEEDED_LATE},
        AttemptStatus.CLOSED: {AttemptStatus.SUCCEEDED_LATE},
    },
)


class RefundReason(StrEnum):
    LATE = "late"  # paid after the bill had ended
    TWICE = "twice"  # paid although it was paid already
    REQUESTED = "requested"
    DEPOSIT = "deposit"


class RefundStatus(StrEnum):
    REQUESTED = "requested"
    SUBMITTED = "submitted"
    PROCESSING = "processing"  # accepted is not refunded
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    ABNORMAL = "abnormal"  # the payer's account could not take it: a person must act
    FAILED = "failed"  # refused or closed; another try needs another number


class Refund(Table, tablename="refund"):
    """One way back of one amount of one attempt, under a number kept over every retry."""

    id = UUID(primary_key=True)
    attempt_id = ForeignKey(references=Attempt, index=True)
    bill_id = ForeignKey(references=Bill, index=True)
    out_refund_no = Varchar(length=64, unique=True)
    from_suspense = Boolean(default=False)  # what it gives back never settled a bill
    once_key = Varchar(length=80, unique=True)  # what asked for it, so that it is asked once
    reason = Varchar(length=12, choices=RefundReason)
    amount_fen = BigInt()
    status = Varchar(length=12, choices=RefundStatus, default=RefundStatus.REQUESTED)
    channel_refund_id = Varchar(length=64, null=True, default=None)
    looks = Integer(default=0)
    requested_at = Timestamptz()
    ended_at = Timestamptz(null=True, default=None)

    refund_amount_positive = Check("amount_fen > 0")


_REFUND_ENDED = {RefundStatus.SUCCEEDED, RefundStatus.ABNORMAL, RefundStatus.FAILED}

REFUND_FLOW = Flow(
    Refund.status,
    {
        RefundStatus.REQUESTED: {RefundStatus.SUBMITTED},
        RefundStatus.SUBMITTED: {RefundStatus.PROCESSING, RefundStatus.UNKNOWN} | _REFUND_ENDED,
        RefundStatus.PROCESSING: set(_REFUND_ENDED),
        RefundStatus.UNKNOWN: {RefundStatus.SUBMITTED, RefundStatus.PROCESSING} | _REFUND_ENDED,
        RefundStatus.ABNORMAL: {RefundStatus.SUCCEEDED, RefundStatus.FAILED},
        RefundStatus.SUCCEEDED: set(),
        RefundStatus.FAILED: set(),
    },
)


class DepositReceipt(Table, tablename="deposit_receipt"):
    """One paid deposit of one stay. It goes back to the channel it came from."""

    id = UUID(primary_key=True)
    encounter_id = ForeignKey(references=Encounter, index=True)
    bill_id = ForeignKey(references=Bill, unique=True)
    attempt_id = ForeignKey(references=Attempt, null=True, default=None)
    amount_fen = BigInt()
    received_at = Timestamptz()

    deposit_receipt_positive = Check("amount_fen > 0")


class NoticeOutcome(StrEnum):
    APPLIED = "applied"
    KNOWN = "known"  # it told what we knew already
    NOTED = "noted"  # kept; a query will say what is true
    MISMATCHED = "mismatched"  # genuine, but not what we ordered: alarmed, not applied


class PayNotice(Table, tablename="pay_notice"):
    """The inbox of genuine notices: one row each, however often it is sent."""

    id = UUID(primary_key=True)
    channel = Varchar(length=8, choices=ChannelName)
    notice_id = Varchar(length=128)
    kind = Varchar(length=40)
    reference = Varchar(length=64)  # out_trade_no or out_refund_no
    content = Text()  # as verified, encrypted: it names the payer
    outcome = Varchar(length=12, choices=NoticeOutcome)
    received_at = Timestamptz(default=TimestamptzNow())

    pay_notice_once = Unique(["channel", "notice_id"])


class PayAlarm(Table, tablename="pay_alarm"):
    """Something about money that no rule may settle: stored once, shown until a person settles it."""

    id = UUID(primary_key=True)
    once_key = Varchar(length=160, unique=True)
    channel = Varchar(length=8, choices=ChannelName)
    code = Varchar(length=40)
    reference = Varchar(length=64)
    attempt_id = UUID(null=True, default=None)
    amount_fen = BigInt(null=True, default=None)
    raised_at = Timestamptz(default=TimestamptzNow())
    settled_at = Timestamptz(null=True, default=None)


TABLES: list[type[Table]] = [
    Bill,
    Charge,
    Attempt,
    Refund,
    DepositReceipt,
    PayNotice,
    PayAlarm,
]

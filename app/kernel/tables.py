"""What the ground itself stores. `event` is partitioned by month and stands in partitions.sql."""

from enum import StrEnum

from piccolo.columns import (
    JSONB,
    UUID,
    BigInt,
    ForeignKey,
    Integer,
    Interval,
    SmallInt,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.kernel.flow import Flow


class ClockOffset(Table, tablename="clock_offset"):
    """One row: how far business time runs ahead of the database's time."""

    id = SmallInt(primary_key=True, default=1)
    offset_by = Interval()

    clock_offset_only_one = Check("id = 1")


class Outbox(Table, tablename="outbox"):
    """Committed events that no relay has fanned out yet."""

    event_id = UUID(primary_key=True)
    event_at = Timestamptz()
    lane = Varchar(length=8)
    position = BigInt(index=True)  # only an order to try first, never a cursor


class EventHead(Table, tablename="event_head"):
    """The newest event version of one aggregate."""

    aggregate_id = UUID(primary_key=True)
    aggregate = Varchar(length=40)
    version = BigInt()


class DeliveryStatus(StrEnum):
    DUE = "due"
    DONE = "done"
    DEAD = "dead"  # waits for a person
    ASIDE = "aside"  # a person has decided that it need not happen


class Delivery(Table, tablename="delivery"):
    """One event for one subscriber. DONE commits together with what the subscriber wrote."""

    id = UUID(primary_key=True)
    event_id = UUID(index=True)
    event_at = Timestamptz()
    subscriber = Varchar(length=80)
    lane = Varchar(length=8)
    aggregate_id = UUID()
    aggregate_version = BigInt()
    status = Varchar(length=8, choices=DeliveryStatus, default=DeliveryStatus.DUE)
    attempts = Integer(default=0)
    retry_at = Timestamptz(default=TimestamptzNow())
    last_error = Text(default="")
    done_at = Timestamptz(null=True, default=None)

    delivery_once = Unique(["event_id", "subscriber"])


DELIVERY_FLOW = Flow(
    Delivery.status,
    {
        DeliveryStatus.DUE: {DeliveryStatus.DONE, DeliveryStatus.DEAD},
        DeliveryStatus.DEAD: {DeliveryStatus.DUE, DeliveryStatus.ASIDE},
        DeliveryStatus.ASIDE: {DeliveryStatus.DUE},
        DeliveryStatus.DONE: set(),
    },
)


class JobStatus(StrEnum):
    DUE = "due"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"  # waits for a person, who cannot set it aside: an effect is owed to somebody outside


class Job(Table, tablename="job"):
    """One outside effect to bring about. `lease_epoch` fences a runner that was thought dead."""

    id = UUID(primary_key=True)
    kind = Varchar(length=80)
    arguments = JSONB(default="{}")
    unique_key = Varchar(length=200, null=True, default=None)
    status = Varchar(length=8, choices=JobStatus, default=JobStatus.DUE)
    run_at = Timestamptz(default=TimestamptzNow())
    attempts = Integer(default=0)
    lease_epoch = BigInt(default=0)
    leased_until = Timestamptz(null=True, default=None)
    last_error = Text(default="")
    request_id = Varchar(length=64, default="")  # whose request it goes back to
    created_at = Timestamptz(default=TimestamptzNow())
    done_at = Timestamptz(null=True, default=None)

    job_once = Unique(["kind", "unique_key"])


JOB_FLOW = Flow(
    Job.status,
    {
        JobStatus.DUE: {JobStatus.RUNNING},
        JobStatus.RUNNING: {JobStatus.DUE, JobStatus.DONE, JobStatus.DEAD},
        JobStatus.DEAD: {JobStatus.DUE},
        JobStatus.DONE: set(),
    },
)


class Idempotency(Table, tablename="idempotency"):
    """A command that committed: repeating its key answers with the same resource."""

    id = UUID(primary_key=True)
    actor = Varchar(length=60)
    key = Varchar(length=64)
    route = Varchar(length=200)
    body_index = Varchar(length=80)  # keyed: a bare hash of a short body gives its numbers away
    resource_id = UUID(null=True, default=None)
    created_at = Timestamptz(default=TimestamptzNow(), index=True)

    idempotency_once = Unique(["actor", "key"])


class LedgerAccount(Table, tablename="ledger_account"):
    """An account of the double-entry book, e.g. `channel_clearing:wechat:1900000109`."""

    code = Varchar(length=120, primary_key=True)
    kind = Varchar(length=12)  # asset | liability | income | expense
    name = Varchar(length=80)


class Journal(Table, tablename="journal"):
    """One balanced posting. `source_key` is what it stands for, and can be posted once."""

    id = UUID(primary_key=True)
    source_key = Varchar(length=160, unique=True)
    memo = Varchar(length=200)
    posted_at = Timestamptz(default=TimestamptzNow(), index=True)
    business_at = Timestamptz()


class JournalLeg(Table, tablename="journal_leg"):
    """One side of a posting: debits are positive fen, credits negative; the legs of a journal add to 0."""

    id = UUID(primary_key=True)
    journal_id = ForeignKey(references=Journal, index=True)
    account = ForeignKey(references=LedgerAccount, index=True)
    amount_fen = BigInt()
    subject_id = UUID(null=True, default=None, index=True)  # the bill, refund or stay it belongs to

    journal_leg_not_zero = Check("amount_fen <> 0")


class SqlFile(Table, tablename="sql_file"):
    """Which functions, triggers and partial indexes were applied, by checksum."""

    path = Varchar(length=120, primary_key=True)
    checksum = Varchar(length=64)
    applied_at = Timestamptz(default=TimestamptzNow())


TABLES: list[type[Table]] = [
    ClockOffset,
    Outbox,
    EventHead,
    Delivery,
    Job,
    Idempotency,
    LedgerAccount,
    Journal,
    JournalLeg,
    SqlFile,
]

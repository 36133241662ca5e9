"""Bills whose picture is ready, and the notification of it for those who asked."""

import secrets
from datetime import datetime, timedelta
from functools import partial

import msgspec

from simulators.faults import Fault
from simulators.fiscal_invoice.bills import Bill
from simulators.fiscal_invoice.calls import described
from simulators.fiscal_invoice.envelope import OK, sealed
from simulators.fiscal_invoice.platform import FiscalInvoice
from simulators.notices import Courier, Manners, Notice
from simulators.notices import Envelope as Delivery
from simulators.store import stored

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
RETRY_AFTER = (1 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, 1 * HOUR, 6 * HOUR)
READY = "FILE_READY"


class Ack(msgspec.Struct, frozen=True):
    result: str


def hire_courier(platform: FiscalInvoice) -> Courier:
    """The courier that delivers this platform's notifications."""
    manners = Manners(compose=partial(compose, platform), accepts=_accepts, retry_after=RETRY_AFTER)
    return Courier(platform.store, platform.now, platform.faults, manners)


def draw_due(platform: FiscalInvoice, now: datetime) -> None:
    """Pictures that take a second of business time, and the word that they are there."""
    with platform.store.transaction():
        rows = platform.store.rows(
            "update bill set ready_at = :now where ready_at is null and due_at <= :now returning *",
            now=stored(now),
        )
        for row in rows:
            bill = Bill(**dict(row))
            if bill.notify_url:
                _tell(platform, bill, now)


def compose(platform: FiscalInvoice, notice: Notice, fault: Fault | None, _now: datetime) -> Delivery:
    """The envelope of one delivery, spoilt the way the fault says."""
    name = fault.name if fault is not None else ""
    key = secrets.token_hex(13) if name == "forge" else platform.identity.app_key
    envelope = sealed(platform, notice.content.encode(), key)
    if name == "tamper":
        envelope["noise"] = envelope["noise"][::-1]
    return Delivery(msgspec.json.encode(envelope), {"Content-Type": "application/json"})


def _tell(platform: FiscalInvoice, bill: Bill, now: datetime) -> None:
    platform.courier.post(
        notice_id=secrets.token_hex(16),
        kind=READY,
        reference=bill.bus_no,
        url=bill.notify_url,
        signer="MD5",
        content=msgspec.json.encode({"event": READY, "busNo": bill.bus_no, **described(platform, bill)}),
        at=now,
    )


def _accepts(status: int, reply: bytes) -> bool:
    try:
        return status == 200 and msgspec.json.decode(reply, type=Ack).result == OK
    except msgspec.DecodeError:
        return False

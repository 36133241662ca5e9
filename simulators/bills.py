"""Daily bills: made when the day is over, kept as they were made, handed out by links that expire."""

import re
import secrets
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

import msgspec

from app.kernel.clock import LOCAL, local_day
from simulators import book
from simulators.bill_lines import Line, Totals, spoilt, totals_of
from simulators.faults import FaultBoard
from simulators.people import PhoneRefusal
from simulators.store import Store, loaded, stored

SCHEMA = """
create index if not exists journal_at on journal (at);
create table if not exists bill_period (
    period text primary key,
    made_at text not null,
    totals text not null
) strict;
create table if not exists bill_file (
    period text not null references bill_period (period),
    kind text not null,
    content blob not null,
    primary key (period, kind)
) strict;
create table if not exists bill_link (
    token text primary key,
    period text not null,
    kind text not null,
    is_packed integer not null,
    expires_at text not null
) strict;
"""

DAY = re.compile(r"2\d{3}-\d{2}-\d{2}\Z", re.ASCII)  # no bill is of another millennium
LINK_LIFE = timedelta(seconds=30)  # both platforms' texts; business time, like every deadline here


class Period(NamedTuple):
    """A business day, or a month: what one bill covers."""

    name: str  # 2026-11-23 or 2026-11
    begin: datetime
    end: datetime  # the first instant that no longer belongs to it
    ready_at: datetime  # when the platform makes the bill by itself


class Link(NamedTuple):
    period: str
    kind: str
    is_packed: bool


Read = Callable[[Period], list[Line]]
Write = Callable[[Period, list[Line], datetime], Mapping[str, bytes]]


class NotYet(Exception):
    """The bill is not made before the platform's hour."""


class Desk:
    """Where one platform makes and keeps its merchant's bills."""

    def __init__(
        self,
        *,
        store: Store,
        faults: FaultBoard,
        merchant_id: str,
        opens_after: timedelta,
        read: Read,
        write: Write,
    ) -> None:
        self.store = store
        self.merchant_id = merchant_id
        self._faults = faults
        self._opens_after = opens_after
        self._read = read
        self._write = write
        self._looked_until = datetime(2000, 1, 1, tzinfo=LOCAL)

    def day(self, day: date) -> Period:
        begin = midnight(day)
        end = begin + timedelta(days=1)
        return Period(day.isoformat(), begin, end, end + self._opens_after)

    def close(self, period: Period, now: datetime) -> None:
        """Make the bill now; one that was made after the period's end stays as it is."""
        if period.begin > now:
            raise PhoneRefusal(409, "NOT_BEGUN", "这一天还没有开始")
        if not self._is_final(period):
            self._make(period, now)

    def close_due(self, now: datetime) -> None:
        """Make the bills whose hour has come, of every day on which something was booked."""
        until = midnight(local_day(now - self._opens_after))
        while (at := self._first_booked(self._looked_until, until)) is not None:
            day = self.day(local_day(at))
            self.close(day, now)
            self._looked_until = day.end
        self._looked_until = max(until, self._looked_until)

    def file(self, period: Period, kind: str, now: datetime) -> bytes | None:
        """The period's file of this kind, None where nothing moved.

        Raises NotYet before the platform's hour, unless somebody closed the day by hand.
        """
        if now >= period.ready_at:
            self.close(period, now)
        elif self.made_at(period) is None:
            raise NotYet
        return self.kept(period.name, kind)

    def kept(self, period_name: str, kind: str) -> bytes | None:
        return self.store.value(
            "select content from bill_file where period = :period and kind = :kind",
            period=period_name,
            kind=kind,
        )

    def made_at(self, period: Period) -> datetime | None:
        text = self.store.value("select made_at from bill_period where period = :name", name=period.name)
        return loaded(text) if text is not None else None

    def billed(self, period: Period) -> Totals | None:
        """What the bill says, once it is made."""
        text = self.store.value("select totals from bill_period where period = :name", name=period.name)
        return msgspec.json.decode(text, type=Totals) if text is not None else None

    def booked(self, period: Period) -> Totals:
        """What the book says, whether or not there is a bill.

        A refund that was closed later owes its fee again, but no trade bill ever tells that.
        """
        paid = self._moved(book.merchant(self.merchant_id), "kind = 'payment'", period)
        begun = self._moved(book.transit(self.merchant_id), "amount_fen > 0", period)
        kept = self._moved(book.fees(self.merchant_id), "kind <> 'refund_closed'", period)
        return Totals(
            paid_count=paid[0],
            paid_fen=paid[1],
            refund_count=begun[0],
            refund_fen=begun[1],
            fee_fen=kept[1],
        )

    def link(self, period: Period, kind: str, expires_at: datetime, *, is_packed: bool = False) -> str:
        """A token for one file, good for any number of downloads until it expires."""
        token = secrets.token_urlsafe(48)
        self.store.run(
            "insert into bill_link values (:token, :period, :kind, :is_packed, :expires_at)",
            token=token,
            period=period.name,
            kind=kind,
            is_packed=int(is_packed),
            expires_at=stored(expires_at),
        )
        return token

    def follow(self, token: str, now: datetime) -> Link | None:
        row = self.store.row(
            "select * from bill_link where token = :token and expires_at > :now", token=token, now=stored(now)
        )
        return Link(row["period"], row["kind"], bool(row["is_packed"])) if row is not None else None

    def _is_final(self, period: Period) -> bool:
        made_at = self.made_at(period)
        return made_at is not None and made_at >= period.end

    def _make(self, period: Period, now: datetime) -> None:
        lines = spoilt(self._faults, self._read(period))
        files = self._write(period, lines, now)
        with self.store.transaction():
            self.store.run("delete from bill_file where period = :name", name=period.name)
            self.store.run(
                "insert or replace into bill_period values (:name, :now, :totals)",
                name=period.name,
                now=stored(now),
                totals=msgspec.json.encode(totals_of(lines)).decode(),
            )
            for kind, content in files.items():
                self.store.run(
                    "insert into bill_file values (:name, :kind, :content)",
                    name=period.name,
                    kind=kind,
                    content=content,
                )

    def _first_booked(self, since: datetime, until: datetime) -> datetime | None:
        text = self.store.value(
            "select min(at) from journal where at >= :since and at < :until",
            since=stored(since),
            until=stored(until),
        )
        return loaded(text) if text is not None else None

    def _moved(self, account: str, which: str, period: Period) -> tuple[int, int]:
        """How often and how much an account gained within the period."""
        row = self.store.row(
            f"""select count(*) as times, coalesce(sum(amount_fen), 0) as fen
                from entry join journal on journal.seq = entry.journal
                where account = :account and at >= :begin and at < :end and {which}""",  # noqa: S608  # ours
            account=account,
            begin=stored(period.begin),
            end=stored(period.end),
        )
        assert row is not None
        return row["times"], row["fen"]


def read_day(text: str) -> date:
    """A day as both platforms write it, 2026-11-23; raises ValueError."""
    if DAY.match(text) is None:
        raise ValueError(text)
    return date.fromisoformat(text)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=LOCAL)

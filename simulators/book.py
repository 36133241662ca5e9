"""A platform's own double-entry money book: payers' wallets, merchants, money in transit.

Amounts are what an account gained. Every journal sums to zero, and nothing is ever changed or
deleted, so the book answers at any time where the platform says the money is.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from simulators.store import Store, stored

SCHEMA = """
create table if not exists journal (
    seq integer primary key,
    kind text not null,
    reference text not null,
    at text not null,
    unique (kind, reference)
) strict;
create table if not exists entry (
    seq integer primary key,
    journal integer not null references journal (seq),
    account text not null,
    amount_fen integer not null check (amount_fen <> 0)
) strict;
create index if not exists entry_account on entry (account);
create index if not exists entry_journal on entry (journal);
create trigger if not exists entry_stays before update on entry
    begin select raise(abort, 'the book is append-only'); end;
create trigger if not exists entry_remains before delete on entry
    begin select raise(abort, 'the book is append-only'); end;
"""

BANK = "bank"  # the world outside the platform, where wallets are filled from


class Balance(msgspec.Struct, frozen=True):
    account: str
    balance_fen: int


class Totals(msgspec.Struct, frozen=True):
    """A merchant's money since the platform began."""

    paid_fen: int
    refunded_fen: int
    refunding_fen: int  # left the merchant, not yet with the payer
    fee_fen: int  # kept by the platform
    net_fen: int
    balance_fen: int


class Entry(msgspec.Struct, frozen=True):
    seq: int
    journal: int
    kind: str
    reference: str
    account: str
    amount_fen: int
    at: str


class Move(msgspec.Struct, frozen=True):
    """What one journal did to one account."""

    seq: int
    kind: str
    reference: str
    amount_fen: int
    at: str


def wallet(payer: str) -> str:
    return f"wallet:{payer}"


def merchant(merchant_id: str) -> str:
    return f"merchant:{merchant_id}"


def transit(merchant_id: str) -> str:
    """Refunds that left the merchant and have not reached the payer."""
    return f"transit:{merchant_id}"


def fees(merchant_id: str) -> str:
    """What the platform has kept of this merchant's payments."""
    return f"fees:{merchant_id}"


def post(store: Store, *, kind: str, reference: str, at: datetime, legs: Mapping[str, int]) -> None:
    """Write one balanced journal; a second one of the same kind and reference is a bug."""
    assert sum(legs.values()) == 0, f"unbalanced journal {kind} {reference}"
    assert legs, "a journal without entries says nothing"
    with store.transaction():
        journal = store.value(
            """insert into journal (kind, reference, at)
               values (:kind, :reference, :at) returning seq""",
            kind=kind,
            reference=reference,
            at=stored(at),
        )
        for account, amount_fen in legs.items():
            store.run(
                """insert into entry (journal, account, amount_fen)
                   values (:journal, :account, :fen)""",
                journal=journal,
                account=account,
                fen=amount_fen,
            )


def move(
    store: Store,
    *,
    kind: str,
    reference: str,
    at: datetime,
    source: str,
    target: str,
    amount_fen: int,
) -> None:
    assert amount_fen > 0, "money moves forward"
    post(store, kind=kind, reference=reference, at=at, legs={source: -amount_fen, target: amount_fen})


def balance_fen(store: Store, account: str) -> int:
    return store.value(
        "select coalesce(sum(amount_fen), 0) from entry where account = :account", account=account
    )


def balances(store: Store) -> list[Balance]:
    found = store.rows("select account, sum(amount_fen) as fen from entry group by account order by account")
    return [Balance(row["account"], row["fen"]) for row in found]


def balance_before(store: Store, account: str, at: datetime) -> int:
    """The balance of everything booked before this instant."""
    return store.value(
        """select coalesce(sum(amount_fen), 0) from entry
           join journal on journal.seq = entry.journal where account = :account and at < :at""",
        account=account,
        at=stored(at),
    )


def moves_of(store: Store, account: str, begin: datetime, end: datetime) -> list[Move]:
    """What happened to one account from `begin` until before `end`, in the book's order."""
    found = store.rows(
        """select entry.seq, kind, reference, amount_fen, at
           from entry join journal on journal.seq = entry.journal
           where account = :account and at >= :begin and at < :end order by entry.seq""",
        account=account,
        begin=stored(begin),
        end=stored(end),
    )
    return [Move(**dict(row)) for row in found]


def totals(store: Store, merchant_id: str) -> Totals:
    """What one merchant was paid and gave back, from the journals alone."""
    clearing, on_the_way = merchant(merchant_id), transit(merchant_id)
    paid_fen = _moved_fen(store, clearing, "payment")
    refunded_fen = -_moved_fen(store, on_the_way, "refund_success")
    refunding_fen = balance_fen(store, on_the_way)
    fee_fen = balance_fen(store, fees(merchant_id))
    return Totals(
        paid_fen=paid_fen,
        refunded_fen=refunded_fen,
        refunding_fen=refunding_fen,
        fee_fen=fee_fen,
        net_fen=paid_fen - refunded_fen - refunding_fen - fee_fen,
        balance_fen=balance_fen(store, clearing),
    )


def _moved_fen(store: Store, account: str, kind: str) -> int:
    return store.value(
        """select coalesce(sum(amount_fen), 0) from entry
           join journal on journal.seq = entry.journal
           where account = :account and kind = :kind""",
        account=account,
        kind=kind,
    )


def is_balanced(store: Store) -> bool:
    """Every journal sums to zero and holds at least two entries; no wallet is overdrawn."""
    broken = store.value(
        """select count(*) from (
               select journal from entry group by journal
               having sum(amount_fen) <> 0 or count(*) < 2)"""
    )
    hollow = store.value("select count(*) from journal where seq not in (select journal from entry)")
    overdrawn = [b for b in balances(store) if b.balance_fen < 0 and b.account != BANK]
    return not (broken or hollow or overdrawn)


def entries(store: Store, *, after: int, limit: int) -> list[Entry]:
    found = store.rows(
        """select entry.seq, journal, kind, reference, account, amount_fen, at
           from entry join journal on journal.seq = entry.journal
           where entry.seq > :after order by entry.seq limit :limit""",
        after=after,
        limit=limit,
    )
    return [Entry(**dict(row)) for row in found]

"""What the platform keeps of a payment, and gives back with a refund: entries of the same book.

The rate is the merchant's contract; hospitals mostly pay 0.00 to 0.20 %, shops 0.60 %. A fee is
taken with the payment, rounded half up to the fen; a refund gives its share of it back, and the
last refund of a trade whatever is left, so that a trade given back in full has cost nothing.
"""

from datetime import datetime

from simulators import book
from simulators.store import Store

SCHEMA = """
create table if not exists fee_rate (
    one integer primary key check (one = 1),
    basis_points integer not null check (basis_points between 0 and 1000)
) strict;
create table if not exists fee (
    kind text not null,
    reference text not null,
    trade text not null,
    basis_points integer not null,
    amount_fen integer not null,
    fee_fen integer not null,
    primary key (kind, reference)
) strict;
create index if not exists fee_trade on fee (trade);
"""

WHOLE = 10_000  # basis points


def rate(store: Store) -> int:
    """The rate of payments from now on, in basis points: 60 is 0.60 %."""
    return store.value("select basis_points from fee_rate") or 0


def set_rate(store: Store, basis_points: int) -> None:
    store.run("insert or replace into fee_rate values (1, :points)", points=basis_points)


def charge(store: Store, *, merchant_id: str, trade: str, amount_fen: int, at: datetime) -> None:
    """Take the fee of a payment that has just been booked."""
    basis_points = rate(store)
    fee_fen = _part_fen(amount_fen, basis_points, WHOLE)
    _note(store, "payment", trade, trade, basis_points, amount_fen, fee_fen)
    if fee_fen > 0:
        book.move(
            store,
            kind="fee",
            reference=trade,
            at=at,
            source=book.merchant(merchant_id),
            target=book.fees(merchant_id),
            amount_fen=fee_fen,
        )


def share_fen(store: Store, *, trade: str, refund_fen: int) -> int:
    """The fee that would go back with this refund."""
    row = store.row(
        """select coalesce(sum(amount_fen), 0) as left_fen, coalesce(sum(fee_fen), 0) as kept_fen
           from fee where trade = :trade""",
        trade=trade,
    )
    assert row is not None
    assert row["left_fen"] >= refund_fen > 0, f"{trade} has less left than is refunded"
    return _part_fen(row["kept_fen"], refund_fen, row["left_fen"])


def begin_refund(
    store: Store, *, merchant_id: str, trade: str, reference: str, refund_fen: int, at: datetime
) -> None:
    """Book a refund that leaves the merchant, together with the fee it brings back."""
    back_fen = share_fen(store, trade=trade, refund_fen=refund_fen)
    points = store.value(
        "select basis_points from fee where kind = 'payment' and trade = :trade", trade=trade
    )
    _note(store, "refund_accepted", reference, trade, points, -refund_fen, -back_fen)
    _post_refund(store, "refund_accepted", merchant_id, reference, at, refund_fen, back_fen)


def undo_refund(store: Store, *, merchant_id: str, reference: str, at: datetime) -> None:
    """Book a refund that was closed and returns to the merchant: the fee is due again."""
    begun = store.row(
        "select * from fee where kind = 'refund_accepted' and reference = :reference", reference=reference
    )
    assert begun is not None, f"no refund {reference} began"
    refund_fen, back_fen = -begun["amount_fen"], -begun["fee_fen"]
    _note(store, "refund_closed", reference, begun["trade"], begun["basis_points"], refund_fen, back_fen)
    _post_refund(store, "refund_closed", merchant_id, reference, at, -refund_fen, -back_fen)


def _post_refund(
    store: Store, kind: str, merchant_id: str, reference: str, at: datetime, out_fen: int, back_fen: int
) -> None:
    legs = {
        book.merchant(merchant_id): back_fen - out_fen,
        book.transit(merchant_id): out_fen,
        book.fees(merchant_id): -back_fen,
    }
    moved = {account: amount_fen for account, amount_fen in legs.items() if amount_fen != 0}
    book.post(store, kind=kind, reference=reference, at=at, legs=moved)


def _note(
    store: Store, kind: str, reference: str, trade: str, basis_points: int, amount_fen: int, fee_fen: int
) -> None:
    store.run(
        "insert into fee values (:kind, :reference, :trade, :points, :amount_fen, :fee_fen)",
        kind=kind,
        reference=reference,
        trade=trade,
        points=basis_points,
        amount_fen=amount_fen,
        fee_fen=fee_fen,
    )


def _part_fen(amount_fen: int, part: int, whole: int) -> int:
    """amount * part / whole, half a fen rounded up."""
    return (2 * amount_fen * part + whole) // (2 * whole)

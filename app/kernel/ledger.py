"""The double-entry book: one way to write, none to change, and balances only from entries."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from app.kernel.actor import Actor
from app.kernel.database import action, execute_many, fetch_value, query
from app.kernel.ids import new_id


class Leg(msgspec.Struct, frozen=True):
    """Debit positive, credit negative, in fen. `subject_id` is the bill, refund or stay it belongs to."""

    account: str
    amount_fen: int
    subject_id: UUID | None = None


@action
async def post_journal(actor: Actor, *, source_key: str, memo: str, legs: Sequence[Leg]) -> bool:
    """Post one balanced journal. False where `source_key` was posted before: nothing happens then.

    Zero legs are dropped, so that callers may state every part of a split. The database refuses an
    unbalanced journal at once and an unknown account by its foreign key.
    """
    stated = [
        {
            "id": new_id(),
            "account": leg.account,
            "amount_fen": leg.amount_fen,
            "subject_id": leg.subject_id,
        }
        for leg in legs
        if leg.amount_fen != 0
    ]
    return await fetch_value(
        "SELECT jiuyi.post_journal($1, $2, $3, $4)",
        new_id(),
        source_key,
        memo,
        msgspec.json.encode(stated).decode(),
    )


@action
async def open_accounts(actor: Actor, *, accounts: Sequence[tuple[str, str, str]]) -> None:
    """Make sure that accounts (code, kind, Chinese name) exist."""
    await execute_many(
        "INSERT INTO ledger_account (code, kind, name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        accounts,
    )


@query
async def balance_fen(actor: Actor, *, account: str, subject_id: UUID | None = None) -> int:
    """The sum of an account's entries, debits minus credits, for one subject or for all."""
    return await fetch_value(
        "SELECT coalesce(sum(amount_fen), 0)::bigint FROM journal_leg"
        " WHERE account = $1 AND ($2::uuid IS NULL OR subject_id = $2)",
        account,
        subject_id,
    )

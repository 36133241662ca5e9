"""Payment codes: digits on the payer's phone that a cashier scans, good once and for a minute."""

import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from litestar import post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from simulators.control import payer_called
from simulators.people import Payer, find_payer
from simulators.store import Store, loaded, stored

SCHEMA = """
create table if not exists payment_code (
    code text primary key,
    payer text not null references payer (id),
    expires_at text not null,
    spent_for text
) strict;
create table if not exists no_password_limit (
    payer text primary key references payer (id),
    limit_fen integer not null check (limit_fen >= 0)
) strict;
"""

CODE_LIFE = timedelta(minutes=1)  # the phone shows another one every minute
NO_PASSWORD_UP_TO_FEN = 100_000  # a thousand yuan, unless the payer chose otherwise
DIGITS = 18


class Flaw(StrEnum):
    """Why a code cannot be charged."""

    UNKNOWN = "unknown"
    USED = "used"
    EXPIRED = "expired"


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit_fen: Annotated[int, Meta(ge=0)]


class WhichOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The order a payer confirms or refuses."""

    out_trade_no: str


@post("/payers/{payer:str}/payment-codes")
async def show_code(state: State, payer: FromPath[str]) -> dict[str, Any]:
    """The payer opens the page with the code."""
    platform = state.platform
    who = payer_called(platform, payer)
    code = issue(platform.store, who, prefix=platform.code_prefix, now=await platform.now())
    return {"auth_code": code, "expires_in": int(CODE_LIFE.total_seconds())}


@post("/payers/{payer:str}/no-password-limit", status_code=200)
async def choose_limit(state: State, payer: FromPath[str], data: JSONBody[Limit]) -> dict[str, Any]:
    """Up to this amount the payer's codes are charged without asking for the password."""
    who = payer_called(state.platform, payer)
    state.platform.store.run(
        """insert into no_password_limit (payer, limit_fen) values (:payer, :fen)
           on conflict (payer) do update set limit_fen = :fen""",
        payer=who.id,
        fen=data.limit_fen,
    )
    return {"id": who.id, "no_password_limit_fen": data.limit_fen}


CONTROL = (show_code, choose_limit)


def issue(store: Store, payer: Payer, *, prefix: str, now: datetime) -> str:
    count = DIGITS - len(prefix)
    code = f"{prefix}{secrets.randbelow(10**count):0{count}d}"
    store.run(
        "insert into payment_code (code, payer, expires_at) values (:code, :payer, :expires_at)",
        code=code,
        payer=payer.id,
        expires_at=stored(now + CODE_LIFE),
    )
    return code


def spend(store: Store, code: str, *, order: str, now: datetime) -> Payer | Flaw:
    """Whose code this is, once, or why it cannot be charged."""
    row = store.row("select payer, expires_at, spent_for from payment_code where code = :code", code=code)
    if row is None:
        return Flaw.UNKNOWN
    if row["spent_for"] is not None:
        return Flaw.USED
    if loaded(row["expires_at"]) <= now:
        return Flaw.EXPIRED
    store.run("update payment_code set spent_for = :order where code = :code", order=order, code=code)
    payer = find_payer(store, row["payer"])
    assert payer is not None, "a code belongs to a payer"
    return payer


def is_spent_for(store: Store, code: str, order: str) -> bool:
    return store.value("select spent_for from payment_code where code = :code", code=code) == order


def needs_password(store: Store, payer: Payer, amount_fen: int) -> bool:
    chosen = store.value("select limit_fen from no_password_limit where payer = :payer", payer=payer.id)
    return amount_fen > (NO_PASSWORD_UP_TO_FEN if chosen is None else chosen)

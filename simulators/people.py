"""The people with a wallet at a platform, and the one-time codes their phones hand out."""

import secrets
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from app.kernel.clock import wall
from simulators.book import BANK, balance_fen, move, wallet
from simulators.store import Store, loaded, stored

SCHEMA = """
create table if not exists payer (
    id text primary key,
    second_id text not null,
    created_at text not null
) strict;
create table if not exists phone_code (
    code text primary key,
    payer text not null references payer (id),
    errand text not null,
    expires_at text not null,
    used integer not null default 0
) strict;
"""

OPENING_BALANCE_FEN = 100_000_000  # a million yuan: nobody runs dry unless the test says so
CODE_LIFE = timedelta(minutes=5)


class Errand(StrEnum):
    """What a one-time code from a phone is good for, and nothing else."""

    LOGIN = "login"
    PHONE_NUMBER = "phone_number"


class PhoneRefusal(Exception):
    """The payer's phone shows an error; nothing is paid."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


class Payer(msgspec.Struct, frozen=True):
    id: str
    second_id: str  # Alipay's open_id; unused at WeChat
    balance_fen: int


def open_wallet(
    store: Store, *, payer_id: str, second_id: str, opening_fen: int, at: datetime
) -> tuple[Payer, bool]:
    """The payer with this id, and whether the wallet was opened just now."""
    known = find_payer(store, payer_id)
    if known is not None:
        return known, False
    with store.transaction():
        store.run(
            "insert into payer (id, second_id, created_at) values (:id, :second_id, :at)",
            id=payer_id,
            second_id=second_id,
            at=stored(at),
        )
        if opening_fen > 0:
            move(
                store,
                kind="opening",
                reference=payer_id,
                at=at,
                source=BANK,
                target=wallet(payer_id),
                amount_fen=opening_fen,
            )
    return Payer(payer_id, second_id, opening_fen), True


def find_payer(store: Store, payer_id: str) -> Payer | None:
    row = store.row("select id, second_id from payer where :id <> '' and :id in (id, second_id)", id=payer_id)
    if row is None:
        return None
    return Payer(row["id"], row["second_id"], balance_fen(store, wallet(row["id"])))


def newest(store: Store, *, limit: int) -> list[Payer]:
    rows = store.rows("select id, second_id from payer order by rowid desc limit :limit", limit=limit)
    return [Payer(row["id"], row["second_id"], balance_fen(store, wallet(row["id"]))) for row in rows]


def issue_code(store: Store, payer: Payer, errand: Errand) -> str:
    """The payer taps something: a code, good once, for this errand, for five minutes of wall time.

    Like every token: a demo's clock that is moved while somebody logs in must not end the login.
    """
    code = secrets.token_hex(16)
    store.run(
        """insert into phone_code (code, payer, errand, expires_at)
           values (:code, :payer, :errand, :expires_at)""",
        code=code,
        payer=payer.id,
        errand=errand,
        expires_at=stored(wall() + CODE_LIFE),
    )
    return code


def redeem_code(store: Store, code: str, errand: Errand) -> Payer | None:
    """Whose code this is, once; None for an unknown, used or expired one, or one for another errand."""
    row = store.row(
        """update phone_code set used = 1 where code = :code and errand = :errand and used = 0
           returning payer, expires_at""",
        code=code,
        errand=errand,
    )
    if row is None or loaded(row["expires_at"]) < wall():
        return None
    return find_payer(store, row["payer"])

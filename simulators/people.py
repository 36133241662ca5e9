"""The people with a wallet at a platform, and the one-time codes their phones hand out."""

import secrets
from datetime import datetime, timedelta

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
create table if not exists login_code (
    code text primary key,
    payer text not null references payer (id),
    expires_at text not null,
    used integer not null default 0
) strict;
"""

OPENING_BALANCE_FEN = 100_000_000  # a million yuan: nobody runs dry unless the test says so
CODE_LIFE = timedelta(minutes=5)


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
    row = store.row("select id, second_id from payer where :id in (id, second_id)", id=payer_id)
    if row is None:
        return None
    return Payer(row["id"], row["second_id"], balance_fen(store, wallet(row["id"])))


def newest(store: Store, *, limit: int) -> list[Payer]:
    rows = store.rows("select id, second_id from payer order by rowid desc limit :limit", limit=limit)
    return [Payer(row["id"], row["second_id"], balance_fen(store, wallet(row["id"]))) for row in rows]


def issue_code(store: Store, payer: Payer) -> str:
    """The payer opens the mini-program: a code, good once, for five minutes of wall time."""
    code = secrets.token_hex(16)
    store.run(
        "insert into login_code (code, payer, expires_at) values (:code, :payer, :expires_at)",
        code=code,
        payer=payer.id,
        expires_at=stored(wall() + CODE_LIFE),
    )
    return code


def redeem_code(store: Store, code: str) -> Payer | None:
    """Whose code this is, once; None for an unknown, used or expired one."""
    row = store.row("select payer, expires_at from login_code where code = :code", code=code)
    won = store.run("update login_code set used = 1 where code = :code and used = 0", code=code)
    if row is None or won == 0 or loaded(row["expires_at"]) < wall():
        return None
    return find_payer(store, row["payer"])

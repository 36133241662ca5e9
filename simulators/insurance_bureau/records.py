"""Settlements and reversals as the bureau keeps them: told, counted, and posted in its book.

A settlement owes the hospital what the funds and the account pay; cash is paid elsewhere and only noted. A
reversal is a settlement of its own with every amount negated. Taking one back (2601) removes the record as
if it had never been, but not its journals: those get a counter-journal.
"""

from datetime import datetime
from sqlite3 import Row
from typing import Any

import msgspec

from app.kernel.clock import LOCAL
from simulators import book
from simulators.faults import Part
from simulators.insurance_bureau.benefits import FUNDS, Benefit, Care
from simulators.insurance_bureau.calls import Call
from simulators.insurance_bureau.envelope import ENCODER
from simulators.insurance_bureau.platform import Bureau, account, fund, hospital
from simulators.insurance_bureau.refusals import refused
from simulators.insurance_bureau.standing import family
from simulators.store import Store, stored

PREMIUMS_FEN = 10**12  # what a fund is filled up with whenever it runs dry
SETTLED, REVERSED, UNDONE = "settlement", "reversal", "undo"  # kinds of journals


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """One settlement, or with `reverses` one reversal, about to be written."""

    setl_id: str
    mdtrt_id: str
    psn_no: str
    insutype: str
    care: Care
    chrg_bchno: str
    msgid: str
    infno: str
    at: datetime
    year: int  # the insurance year that is used up, or given back
    benefit: Benefit
    told: dict[str, Any]  # the output of the transaction
    reverses: str | None = None


def write(platform: Bureau, settled: Settled) -> None:
    """Keep what was told, count what was used, and post the money."""
    store, benefit = platform.store, settled.benefit
    store.run(
        """insert into settlement (setl_id, mdtrt_id, psn_no, msgid, infno, at, reverses, setlinfo,
                                   setldetail)
           values (:setl_id, :mdtrt_id, :psn_no, :msgid, :infno, :at, :reverses, :setlinfo, :setldetail)""",
        setl_id=settled.setl_id,
        mdtrt_id=settled.mdtrt_id,
        psn_no=settled.psn_no,
        msgid=settled.msgid,
        infno=settled.infno,
        at=stored(settled.at),
        reverses=settled.reverses,
        setlinfo=ENCODER.encode(settled.told["setlinfo"]).decode(),
        setldetail=ENCODER.encode(settled.told["setldetail"]).decode(),
    )
    store.run(
        """insert into claim values (:setl_id, :mdtrt_id, :psn_no, :insutype, :care, :year, :day, :chrg_bchno,
               :medfee_fen, :fund_fen, :account_fen, :cash_fen, :deductible_fen, :in_bands_fen, :pool_fen,
               :above_cap_fen, :self_paid_fen, :benefit, null)""",
        setl_id=settled.setl_id,
        mdtrt_id=settled.mdtrt_id,
        psn_no=settled.psn_no,
        insutype=settled.insutype,
        care=settled.care,
        year=settled.year,
        day=f"{settled.at.astimezone(LOCAL):%Y-%m-%d}",
        chrg_bchno=settled.chrg_bchno,
        medfee_fen=benefit.medfee_sumamt,
        fund_fen=benefit.fund_pay_sumamt,
        account_fen=benefit.acct_pay + benefit.acct_mulaid_pay,
        cash_fen=benefit.psn_cash_pay,
        benefit=msgspec.json.encode(benefit).decode(),
        **msgspec.structs.asdict(benefit.used),
    )
    kind = REVERSED if settled.reverses else SETTLED
    _post(platform, kind, settled.setl_id, _legs(platform, settled.psn_no, benefit), settled.at)


def remove(platform: Bureau, setl_id: str, at: datetime) -> None:
    """Take a settlement or reversal back as if it had never been; a counter-journal moves the money back."""
    claim = claim_of(platform.store, setl_id)
    legs = _legs(platform, claim["psn_no"], benefit_of(claim))
    _post(platform, UNDONE, setl_id, {name: -amount_fen for name, amount_fen in legs.items()}, at)
    platform.store.run("delete from claim where setl_id = :id", id=setl_id)
    platform.store.run("delete from settlement where setl_id = :id", id=setl_id)


def check_undoable(platform: Bureau, setl_id: str) -> None:
    """Refuse to touch a settlement that is reversed, cleared, or not the person's latest."""
    claim = claim_of(platform.store, setl_id)
    row = platform.store.row("select * from settlement where setl_id = :id", id=setl_id)
    assert row is not None
    if row["reversed_at"] is not None:
        raise refused(f"结算 {setl_id} 已撤销，不能重复撤销")
    if claim["cleared_by"] is not None:
        raise refused(f"结算 {setl_id} 已清算，不能撤销")
    later = platform.store.value(
        """select setl_id from settlement where psn_no = :psn_no and seq > :seq
           and reverses is null and reversed_at is null order by seq desc limit 1""",
        psn_no=claim["psn_no"],
        seq=row["seq"],
    )
    if later is not None:
        raise refused(f"不是该人员最后一次结算，须先撤销结算 {later}")


def free_lines(platform: Bureau, setl_id: str) -> None:
    """The fees of this settlement are unsettled again: they may be settled anew or taken back."""
    platform.store.run("update fee set setl_id = null, freed_from = :id where setl_id = :id", id=setl_id)


def tie_lines_again(platform: Bureau, setl_id: str, medfee_fen: int) -> None:
    """Undo free_lines; refused when one of the lines was taken back or settled since."""
    platform.store.run(
        "update fee set setl_id = :id, freed_from = null where freed_from = :id and setl_id is null",
        id=setl_id,
    )
    tied_fen = platform.store.value(
        "select coalesce(sum(amount_fen), 0) from fee where setl_id = :id", id=setl_id
    )
    if tied_fen != medfee_fen:
        raise refused("费用明细已变动，不能冲正该撤销")


def struck(platform: Bureau, call: Call, name: str) -> bool:
    """Whether this fault of the course of things is armed for this call; it is used up."""
    return platform.faults.take(Part.COURSE, endpoint=call.infno, text=str(call.input), name=name) is not None


def claim_of(store: Store, setl_id: str) -> Row:
    row = store.row("select * from claim where setl_id = :id", id=setl_id)
    assert row is not None, f"no claim {setl_id}"
    return row


def benefit_of(claim: Row) -> Benefit:
    return msgspec.json.decode(claim["benefit"], type=Benefit)


def live_settlements(store: Store, mdtrt_id: str) -> list[Row]:
    """A visit's settlements that are neither reversals nor reversed."""
    return store.rows(
        """select * from settlement where mdtrt_id = :id and reverses is null and reversed_at is null
           order by seq""",
        id=mdtrt_id,
    )


def latest(platform: Bureau, *, limit: int) -> list[dict[str, Any]]:
    """The newest settlements with their shares in fen; `reversed_at` where one was taken back."""
    rows = platform.store.rows(
        """select s.setl_id, s.psn_no, person.psn_name, s.at, s.reversed_at,
                  c.medfee_fen, c.fund_fen, c.account_fen, c.cash_fen
           from settlement s join person using (psn_no) join claim c using (setl_id)
           order by s.seq desc limit :limit""",
        limit=limit,
    )
    return [dict(row) for row in rows]


def owed(platform: Bureau) -> dict[str, dict[str, int]]:
    """What funds and accounts paid the hospital, took back, and owe it, in fen, from the journals alone."""
    rows = platform.store.rows(
        """select account like 'fund:%' as is_fund, kind, -sum(amount_fen) as fen
           from entry join journal on journal.seq = entry.journal
           where kind in ('settlement', 'reversal', 'undo')
             and (account like 'fund:%' or account like 'account:%' or account like 'family:%')
           group by is_fund, kind"""
    )
    found = {(bool(row["is_fund"]), row["kind"]): row["fen"] for row in rows}
    return {
        name: {
            "paid_fen": found.get((is_fund, SETTLED), 0),
            "reversed_fen": -found.get((is_fund, REVERSED), 0),
            "undone_fen": -found.get((is_fund, UNDONE), 0),
            "net_fen": sum(found.get((is_fund, kind), 0) for kind in (SETTLED, REVERSED, UNDONE)),
        }
        for name, is_fund in (("funds", True), ("accounts", False))
    }


def _legs(platform: Bureau, psn_no: str, benefit: Benefit) -> dict[str, int]:
    """What leaves the funds and accounts, and what the hospital is owed for it; cash is none of it."""
    legs = {fund(name): -benefit.fund_fen(name) for name in FUNDS}
    legs[account(psn_no)] = -benefit.acct_pay
    legs[family(psn_no)] = -benefit.acct_mulaid_pay
    legs[hospital(platform.identity.fixmedins_code)] = -sum(legs.values())
    return {name: amount_fen for name, amount_fen in legs.items() if amount_fen}


def _post(platform: Bureau, kind: str, setl_id: str, legs: dict[str, int], at: datetime) -> None:
    """An all-cash settlement moves nothing here."""
    if not legs:
        return
    for name in FUNDS:
        _fill_up(platform, name, -legs.get(fund(name), 0), f"{kind}:{setl_id}:{name}", at)
    book.post(platform.store, kind=kind, reference=setl_id, at=at, legs=legs)


def _fill_up(platform: Bureau, name: str, needed_fen: int, reference: str, at: datetime) -> None:
    if needed_fen <= book.balance_fen(platform.store, fund(name)):
        return
    book.move(
        platform.store,
        kind="premium",
        reference=reference,
        at=at,
        source=book.BANK,
        target=fund(name),
        amount_fen=PREMIUMS_FEN + needed_fen,
    )

"""What insurance pays of a visit's fees: pure arithmetic in integer fen, the same answer every time.

The rules and their worked numbers stand in docs/algorithms/benefits.md. Every share is rounded once, half
up, to the fen; what a share leaves is the difference, so that no fen is lost or made.
"""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

import msgspec

NONE = Decimal(0)
FUNDS = ("hifp_pay", "cvlserv_pay", "hifes_pay", "hifmi_pay", "hifob_pay", "maf_pay", "oth_pay")


class Level(StrEnum):
    """chrgitm_lv of the national catalogue: 甲, 乙, 丙."""

    A = "01"
    B = "02"
    C = "03"


class Care(StrEnum):
    OUTPATIENT = "outpatient"
    INPATIENT = "inpatient"


class Spell(StrEnum):
    """How long a deductible and the bands above it count."""

    VISIT = "visit"
    YEAR = "year"


class Line(msgspec.Struct, frozen=True):
    """One uploaded fee with what the catalogue says of it. Prices are yuan."""

    level: Level
    quantity: Decimal
    amount_fen: int  # quantity times price, as uploaded and checked
    price_limit: Decimal | None = None  # the highest unit price that insurance knows
    self_pay_share: Decimal = NONE  # of class B, paid by the person before anything else


class LineSplit(msgspec.Struct, frozen=True):
    """The four parts of one line; they add up to its amount."""

    amount_fen: int
    own_fen: int  # fulamt_ownpay_amt: class C
    over_limit_fen: int  # overlmt_amt: above the price limit
    first_share_fen: int  # preselfpay_amt: class B's first share
    in_scope_fen: int  # inscp_scp_amt: what the plan is applied to


class Band(msgspec.Struct, frozen=True):
    """From this much in scope above the deductible, the pool pays this share."""

    from_fen: int
    share: Decimal


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of insurance (insutype 310 employees, 390 residents) in one kind of care."""

    insutype: str
    care: Care
    deductible_fen: int
    spell: Spell
    bands: tuple[Band, ...]  # ascending, the first from 0
    cap_fen: int  # what the pool pays in a year at most
    above_cap_share: Decimal = NONE  # hifob_pay: of what the cap cut off
    above_cap_max_fen: int = 0  # and at most this in a year
    big_illness_from_fen: int | None = None  # hifmi_pay begins here, by the year's in-scope self payments
    big_illness_share: Decimal = NONE
    account_pays: bool = False


class Used(msgspec.Struct, frozen=True):
    """What the person has used up before this settlement, by the plan's own year and spell."""

    deductible_fen: int = 0
    in_bands_fen: int = 0  # in scope above the deductible, within the spell
    pool_fen: int = 0
    above_cap_fen: int = 0
    self_paid_fen: int = 0  # in scope and borne by the person before big-illness insurance


class Means(msgspec.Struct, frozen=True):
    """What else pays for this person: the accounts, and the help the person is entitled to."""

    account_fen: int = 0
    family_fen: int = 0  # the shared account of the family (共济)
    civil_servant_share: Decimal = NONE  # of what is left in scope
    assistance_share: Decimal = NONE  # then of what is left in scope: medical assistance
    hospital_fen: int = 0  # what the hospital bears by its contract, at most what is left


class Benefit(msgspec.Struct, frozen=True):
    """setlinfo's amounts in fen. Four identities hold, and `settle` asserts them."""

    medfee_sumamt: int
    fulamt_ownpay_amt: int
    overlmt_selfpay: int
    preselfpay_amt: int
    inscp_scp_amt: int
    act_pay_dedc: int
    hifp_pay: int
    cvlserv_pay: int
    hifes_pay: int
    hifmi_pay: int
    hifob_pay: int
    maf_pay: int
    oth_pay: int
    fund_pay_sumamt: int
    psn_part_amt: int
    acct_pay: int
    psn_cash_pay: int
    hosp_part_amt: int
    balc: int
    acct_mulaid_pay: int
    used: Used  # what this settlement alone adds to what was used before

    def fund_fen(self, name: str) -> int:
        assert name in FUNDS, f"{name} is no fund"
        return getattr(self, name)


def split_line(line: Line) -> LineSplit:
    """Class C is all self-pay; otherwise first what is above the limit, then class B's share of the rest."""
    assert line.amount_fen >= 0, "a line is never negative"
    if line.level == Level.C:
        return LineSplit(line.amount_fen, line.amount_fen, 0, 0, 0)
    over_fen = 0
    if line.price_limit is not None:
        over_fen = max(0, line.amount_fen - share_fen(line.price_limit * 100, line.quantity))
    below_fen = line.amount_fen - over_fen
    first_fen = share_fen(below_fen, line.self_pay_share) if line.level == Level.B else 0
    return LineSplit(line.amount_fen, 0, over_fen, first_fen, below_fen - first_fen)


def settle(lines: Iterable[LineSplit], plan: Plan, used: Used, means: Means) -> Benefit:
    """Apply the plan to the lines of one settlement."""
    parts = list(lines)
    total_fen = sum(part.amount_fen for part in parts)
    in_scope_fen = sum(part.in_scope_fen for part in parts)
    own_fen = sum(part.own_fen for part in parts)
    over_fen = sum(part.over_limit_fen for part in parts)
    deductible_fen = min(in_scope_fen, max(0, plan.deductible_fen - used.deductible_fen))
    in_bands_fen = in_scope_fen - deductible_fen
    funds = _funds(in_scope_fen, in_bands_fen, plan, used, means)
    fund_fen = sum(funds.values())
    hospital_fen = min(means.hospital_fen, total_fen - fund_fen)
    person_fen = total_fen - fund_fen - hospital_fen
    payable_fen = max(0, person_fen - own_fen - over_fen) if plan.account_pays else 0
    account_fen = min(payable_fen, means.account_fen)
    family_fen = min(payable_fen - account_fen, means.family_fen)
    benefit = Benefit(
        medfee_sumamt=total_fen,
        fulamt_ownpay_amt=own_fen,
        overlmt_selfpay=over_fen,
        preselfpay_amt=sum(part.first_share_fen for part in parts),
        inscp_scp_amt=in_scope_fen,
        act_pay_dedc=deductible_fen,
        **funds,
        fund_pay_sumamt=fund_fen,
        psn_part_amt=person_fen,
        acct_pay=account_fen,
        psn_cash_pay=person_fen - account_fen - family_fen,
        hosp_part_amt=hospital_fen,
        balc=means.account_fen - account_fen,
        acct_mulaid_pay=family_fen,
        used=Used(
            deductible_fen=deductible_fen,
            in_bands_fen=in_bands_fen,
            pool_fen=funds["hifp_pay"],
            above_cap_fen=funds["hifob_pay"],
            self_paid_fen=in_scope_fen - funds["hifp_pay"] - funds["hifob_pay"],
        ),
    )
    check(benefit)
    return benefit


def check(benefit: Benefit) -> None:
    """The identities a client may rely on; they hold for negated amounts too."""
    told = benefit
    parts = told.fulamt_ownpay_amt + told.overlmt_selfpay + told.preselfpay_amt + told.inscp_scp_amt
    assert told.medfee_sumamt == parts, "the four parts are the fees"
    assert told.fund_pay_sumamt == sum(told.fund_fen(name) for name in FUNDS), "the funds are their sum"
    assert told.psn_part_amt == told.acct_pay + told.psn_cash_pay + told.acct_mulaid_pay, "the person's part"
    assert told.medfee_sumamt == told.fund_pay_sumamt + told.psn_part_amt + told.hosp_part_amt, "the whole"


def less_covered(benefit: Benefit, difference_fen: int) -> Benefit:
    """The same settlement with so much less from the pool, or else from the account, and more cash."""
    taken_fen = min(difference_fen, benefit.hifp_pay)
    held_fen = min(difference_fen - taken_fen, benefit.acct_pay)
    told = msgspec.structs.replace(
        benefit,
        hifp_pay=benefit.hifp_pay - taken_fen,
        fund_pay_sumamt=benefit.fund_pay_sumamt - taken_fen,
        psn_part_amt=benefit.psn_part_amt + taken_fen,
        acct_pay=benefit.acct_pay - held_fen,
        balc=benefit.balc + held_fen,
        psn_cash_pay=benefit.psn_cash_pay + taken_fen + held_fen,
        used=msgspec.structs.replace(
            benefit.used,
            pool_fen=benefit.used.pool_fen - taken_fen,
            self_paid_fen=benefit.used.self_paid_fen + taken_fen,
        ),
    )
    check(told)
    return told


def negated(benefit: Benefit) -> Benefit:
    """The same settlement backwards, with the balance the account has afterwards."""
    amounts = {name: -getattr(benefit, name) for name in Benefit.__struct_fields__ if name != "used"}
    amounts["balc"] = benefit.balc + benefit.acct_pay
    used = Used(*(-getattr(benefit.used, name) for name in Used.__struct_fields__))
    return Benefit(**amounts, used=used)


def share_fen(amount: int | Decimal, share: Decimal) -> int:
    """A share of an amount in fen, rounded half up."""
    return _rounded(amount * share)


def _rounded(exact_fen: Decimal) -> int:
    return int(exact_fen.quantize(Decimal(1), ROUND_HALF_UP))


def _funds(in_scope_fen: int, in_bands_fen: int, plan: Plan, used: Used, means: Means) -> dict[str, int]:
    """Each fund in its turn pays of what those before it left in scope."""
    wanted_fen = _by_bands(in_bands_fen, plan, used)
    pool_fen = min(wanted_fen, max(0, plan.cap_fen - used.pool_fen))
    above_room_fen = max(0, plan.above_cap_max_fen - used.above_cap_fen)
    above_fen = min(share_fen(wanted_fen - pool_fen, plan.above_cap_share), above_room_fen)
    left_fen = in_scope_fen - pool_fen - above_fen
    illness_fen = _big_illness(left_fen, plan, used)
    left_fen -= illness_fen
    civil_fen = share_fen(left_fen, means.civil_servant_share)
    assistance_fen = share_fen(left_fen - civil_fen, means.assistance_share)
    return {
        "hifp_pay": pool_fen,
        "cvlserv_pay": civil_fen,
        "hifes_pay": 0,
        "hifmi_pay": illness_fen,
        "hifob_pay": above_fen,
        "maf_pay": assistance_fen,
        "oth_pay": 0,
    }


def _by_bands(in_bands_fen: int, plan: Plan, used: Used) -> int:
    """What the pool would pay without a cap: the shares of all bands, rounded once together."""
    start = used.in_bands_fen if plan.spell == Spell.YEAR else 0
    end = start + in_bands_fen
    tops = [band.from_fen for band in plan.bands[1:]] + [end]
    paid = NONE
    for band, top in zip(plan.bands, tops, strict=True):
        inside = min(end, max(top, band.from_fen)) - max(start, band.from_fen)
        paid += max(0, inside) * band.share
    return _rounded(paid)


def _big_illness(left_fen: int, plan: Plan, used: Used) -> int:
    """The share of what the person bears in scope beyond the year's threshold."""
    if plan.big_illness_from_fen is None:
        return 0
    room_fen = max(0, plan.big_illness_from_fen - used.self_paid_fen)
    return share_fen(max(0, left_fen - room_fen), plan.big_illness_share)

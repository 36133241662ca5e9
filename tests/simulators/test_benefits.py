"""What the simulated bureau pays: the identities, the order of things, and the document's numbers."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kernel.money import fen
from simulators.insurance_bureau import benefits
from simulators.insurance_bureau.benefits import (
    FUNDS,
    Benefit,
    Care,
    Level,
    Line,
    LineSplit,
    Means,
    Used,
    negated,
    settle,
    split_line,
)
from simulators.insurance_bureau.plans import PLANS, plan_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "algorithms" / "benefits.md"
SHARES = st.decimals(0, 1, places=4)
LEVELS = {"A": Level.A, "B": Level.B, "C": Level.C}


def table(first: str) -> list[dict[str, str]]:
    """The rows of the document's table whose first heading this is."""
    lines = iter(DOCUMENT.read_text(encoding="utf-8").splitlines())
    heading = next(cells(line) for line in lines if line.startswith(f"| {first} |"))
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(heading, cells(line), strict=True)))
    return rows


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def amount(text: str) -> int:
    return fen(text or "0")


@pytest.mark.parametrize("row", table("class"), ids=lambda row: f"{row['class']} {row['amount']}")
def test_a_line_splits_as_the_document_says(row: dict[str, str]) -> None:
    limit = Decimal(row["highest price"]) if row["highest price"] else None
    share = Decimal(row["share"] or "0")
    line = Line(LEVELS[row["class"]], Decimal(row["quantity"]), amount(row["amount"]), limit, share)
    parts = ("class C", "above the limit", "first share", "in scope")
    assert split_line(line) == LineSplit(line.amount_fen, *(amount(row[part]) for part in parts))


@pytest.mark.parametrize("row", table("example"), ids=lambda row: row["example"])
def test_a_settlement_is_what_the_document_says(row: dict[str, str]) -> None:
    parts = [amount(row[name]) for name in ("class C", "limit", "B share", "in scope")]
    insutype, care = row["plan"].split()
    plan = plan_of(insutype, Care(care))
    assert plan is not None
    used = Used(
        deductible_fen=amount(row["used deductible"]),
        in_bands_fen=amount(row["used bands"]),
        pool_fen=amount(row["used cap"]),
        self_paid_fen=amount(row["used threshold"]),
    )
    told = settle([LineSplit(sum(parts), *parts)], plan, used, Means(account_fen=amount(row["account"])))
    for name in row.keys() & set(Benefit.__struct_fields__):
        assert getattr(told, name) == amount(row[name]), name


lines = st.builds(
    Line,
    level=st.sampled_from(Level),
    quantity=st.decimals("0.0001", 999, places=4),
    amount_fen=st.integers(0, 30_000_000),
    price_limit=st.none() | st.decimals(0, 9_999, places=4),
    self_pay_share=SHARES,
)
plans = st.sampled_from(PLANS)
pasts = st.builds(Used, *(st.integers(0, 50_000_000) for _ in Used.__struct_fields__))
means = st.builds(
    Means, st.integers(0, 10_000_000), st.integers(0, 1_000_000), SHARES, SHARES, st.integers(0, 10_000)
)


@given(line=lines)
def test_the_parts_of_a_line_are_the_line(line: Line) -> None:
    split = split_line(line)
    parts = (split.own_fen, split.over_limit_fen, split.first_share_fen, split.in_scope_fen)
    assert sum(parts) == split.amount_fen == line.amount_fen
    assert min(parts) >= 0


@settings(max_examples=300)
@given(uploaded=st.lists(lines, max_size=6), plan=plans, used=pasts, means=means)
def test_the_identities_hold(uploaded: list[Line], plan: benefits.Plan, used: Used, means: Means) -> None:
    told = settle([split_line(line) for line in uploaded], plan, used, means)
    assert told.medfee_sumamt == sum(line.amount_fen for line in uploaded)
    parts = (told.fulamt_ownpay_amt, told.overlmt_selfpay, told.preselfpay_amt, told.inscp_scp_amt)
    assert told.medfee_sumamt == sum(parts)
    funds = [told.fund_fen(name) for name in FUNDS]
    assert told.fund_pay_sumamt == sum(funds)
    assert told.psn_part_amt == told.acct_pay + told.psn_cash_pay + told.acct_mulaid_pay
    assert told.medfee_sumamt == told.fund_pay_sumamt + told.psn_part_amt + told.hosp_part_amt
    assert min(*funds, told.act_pay_dedc, told.acct_pay, told.psn_cash_pay, told.hosp_part_amt) >= 0
    assert told.fund_pay_sumamt <= told.inscp_scp_amt
    assert told.balc == means.account_fen - told.acct_pay >= 0
    benefits.check(negated(told))
    assert negated(told).balc == means.account_fen


@given(split=st.lists(lines, max_size=4), plan=plans, used=pasts, means=means, more=st.integers(0, 200_000))
def test_more_deductible_used_is_never_less_fund(
    split: list[Line], plan: benefits.Plan, used: Used, means: Means, more: int
) -> None:
    parts = [split_line(line) for line in split]
    further = msgspec.structs.replace(used, deductible_fen=used.deductible_fen + more)
    first, second = (settle(parts, plan, past, means) for past in (used, further))
    assert second.fund_pay_sumamt >= first.fund_pay_sumamt
    assert second.act_pay_dedc <= first.act_pay_dedc


@given(split=st.lists(lines, max_size=4), plan=plans, used=pasts, means=means, more=st.integers(0, 10**8))
def test_the_pool_stays_below_its_cap(
    split: list[Line], plan: benefits.Plan, used: Used, means: Means, more: int
) -> None:
    parts = [split_line(line) for line in split]
    told = settle(parts, plan, used, means)
    assert told.hifp_pay <= max(0, plan.cap_fen - used.pool_fen)
    assert told.hifob_pay <= max(0, plan.above_cap_max_fen - used.above_cap_fen)
    emptier = msgspec.structs.replace(used, pool_fen=used.pool_fen + more)
    assert settle(parts, plan, emptier, means).hifp_pay <= told.hifp_pay


def test_a_wrong_sum_is_seen() -> None:
    """The positive control: the check behind every settlement can fail."""
    plan = plan_of("310", Care.OUTPATIENT)
    assert plan is not None
    told = settle([LineSplit(100, 0, 0, 0, 100)], plan, Used(), Means())
    with pytest.raises(AssertionError, match="person's part"):
        benefits.check(msgspec.structs.replace(told, acct_pay=1))


def test_a_region_knows_only_its_plans() -> None:
    assert plan_of("510", Care.OUTPATIENT) is None

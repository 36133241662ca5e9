"""Whose visit a fee or settlement belongs to, and what that person has used and may still use."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from app.kernel.clock import LOCAL
from simulators import book
from simulators.insurance_bureau import visits
from simulators.insurance_bureau.benefits import NONE, Care, Means, Plan, Spell, Used
from simulators.insurance_bureau.plans import plan_of
from simulators.insurance_bureau.platform import Bureau, account
from simulators.insurance_bureau.refusals import refused
from simulators.insurance_bureau.visits import Visit
from simulators.store import Store

DISCHARGED = "discharged"
COLUMNS = Used.__struct_fields__


class Case(msgspec.Struct, frozen=True):
    """Everything but the fees that decides a settlement."""

    visit: Visit
    plan: Plan
    used: Used
    means: Means


def visit_of(platform: Bureau, asked: Mapping[str, str], care: Care) -> Visit:
    """The live visit of this kind that mdtrt_id and psn_no name; a discharged stay still is one."""
    visit = visits.find(platform, asked["mdtrt_id"])
    state = DISCHARGED if visit is not None and visit.state == DISCHARGED else "open"
    return visits.named(platform, asked, care, state)


def case_of(platform: Bureau, visit: Visit, now: datetime, *, uses_account: bool) -> Case:
    plan = plan_of(visit.insutype, visit.kind)
    if plan is None:
        raise refused(f"险种 {visit.insutype} 无待遇政策")
    used = used_by(platform.store, visit, plan, year_of(now))
    paying = msgspec.structs.replace(plan, account_pays=plan.account_pays and uses_account)
    return Case(visit, paying, used, _means(platform, visit.psn_no))


def used_by(store: Store, visit: Visit, plan: Plan, year: int) -> Used:
    """What settlements and earlier use took of the plan, by its own spell; the threshold counts all care."""
    yearly = year_use(store, visit.psn_no, year, plan.care)
    here = yearly
    if plan.spell == Spell.VISIT:
        here = _sum(store, "mdtrt_id = :mdtrt_id", mdtrt_id=visit.mdtrt_id)
    both = [year_use(store, visit.psn_no, year, care).self_paid_fen for care in Care]
    return Used(here.deductible_fen, here.in_bands_fen, yearly.pool_fen, yearly.above_cap_fen, sum(both))


def year_use(store: Store, psn_no: str, year: int, care: Care) -> Used:
    """What a person used in a year in one kind of care, here and elsewhere."""
    here = _sum(
        store, "psn_no = :psn_no and year = :year and care = :care", psn_no=psn_no, year=year, care=care
    )
    row = store.row(
        "select * from earlier_use where psn_no = :psn_no and year = :year and care = :care",
        psn_no=psn_no,
        year=year,
        care=care,
    )
    if row is None:
        return here
    return Used(*(getattr(here, name) + row[name] for name in COLUMNS))


def family(psn_no: str) -> str:
    """The account a person's family shares with them (共济账户)."""
    return f"family:{psn_no}"


def year_of(now: datetime) -> int:
    """Insurance years are calendar years, in Beijing time."""
    return now.astimezone(LOCAL).year


def _sum(store: Store, where: str, **values: object) -> Used:
    columns = ", ".join(f"coalesce(sum({name}), 0) as {name}" for name in COLUMNS)
    row = store.row(f"select {columns} from claim where {where}", **values)  # noqa: S608  # words of ours alone
    assert row is not None
    return Used(*(row[name] for name in COLUMNS))


def _means(platform: Bureau, psn_no: str) -> Means:
    row = platform.store.row("select * from help where psn_no = :psn_no", psn_no=psn_no)
    return Means(
        account_fen=book.balance_fen(platform.store, account(psn_no)),
        family_fen=book.balance_fen(platform.store, family(psn_no)),
        civil_servant_share=Decimal(row["civil_servant_share"]) if row is not None else NONE,
        assistance_share=Decimal(row["assistance_share"]) if row is not None else NONE,
    )

"""The region's insurance plans: employees (310) and residents (390), at the clinic and in the ward."""

from decimal import Decimal

from simulators.insurance_bureau.benefits import Band, Care, Plan, Spell

EMPLOYEES = "310"
RESIDENTS = "390"

PLANS: tuple[Plan, ...] = (
    Plan(
        insutype=EMPLOYEES,
        care=Care.OUTPATIENT,
        deductible_fen=500_00,
        spell=Spell.YEAR,
        bands=(Band(0, Decimal("0.7")), Band(10_000_00, Decimal("0.6"))),
        cap_fen=20_000_00,
        above_cap_share=Decimal("0.8"),
        above_cap_max_fen=400_000_00,
        account_pays=True,
    ),
    Plan(
        insutype=EMPLOYEES,
        care=Care.INPATIENT,
        deductible_fen=1_300_00,
        spell=Spell.VISIT,
        bands=(Band(0, Decimal("0.85")), Band(30_000_00, Decimal("0.9")), Band(40_000_00, Decimal("0.95"))),
        cap_fen=100_000_00,
        above_cap_share=Decimal("0.85"),
        above_cap_max_fen=400_000_00,
        account_pays=True,
    ),
    Plan(
        insutype=RESIDENTS,
        care=Care.OUTPATIENT,
        deductible_fen=100_00,
        spell=Spell.YEAR,
        bands=(Band(0, Decimal("0.5")),),
        cap_fen=4_500_00,
        big_illness_from_fen=30_000_00,
        big_illness_share=Decimal("0.6"),
    ),
    Plan(
        insutype=RESIDENTS,
        care=Care.INPATIENT,
        deductible_fen=800_00,
        spell=Spell.VISIT,
        bands=(Band(0, Decimal("0.75")),),
        cap_fen=250_000_00,
        big_illness_from_fen=30_000_00,
        big_illness_share=Decimal("0.6"),
    ),
)


def plan_of(insutype: str, care: Care) -> Plan | None:
    """The plan, or None for an insurance this region does not know."""
    for plan in PLANS:
        if plan.insutype == insutype and plan.care == care:
            return plan
    return None

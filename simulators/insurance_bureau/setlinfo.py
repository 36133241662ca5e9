"""setlinfo and setldetail: how a settlement is told, in yuan."""

from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from simulators.insurance_bureau import persons
from simulators.insurance_bureau.benefits import Benefit
from simulators.insurance_bureau.fields import written, yuan
from simulators.insurance_bureau.platform import Bureau
from simulators.insurance_bureau.standing import Case

CLEARING_WAY = "1"  # clr_way: by item
CLEARING_TYPES = {"outpatient": "11", "inpatient": "21"}  # clr_type

# fund_pay_type by the fund's field; the pool's and the account's differ by insurance.
FUND_TYPES = {
    "cvlserv_pay": ("320100", "公务员医疗补助基金"),
    "hifes_pay": ("370100", "企业补充医疗保险基金"),
    "hifmi_pay": ("390200", "城乡居民大病医疗保险基金"),
    "hifob_pay": ("330100", "大额医疗费用补助基金"),
    "maf_pay": ("610100", "医疗救助基金"),
    "oth_pay": ("999996", "其他基金"),
}
POOLS = {
    "310": ("310100", "职工基本医疗保险统筹基金"),
    "390": ("390100", "城乡居民基本医疗保险基金"),
}
ACCOUNT = ("310200", "职工基本医疗保险个人账户基金")


def told_of(platform: Bureau, case: Case, benefit: Benefit, cert_type: str, at: datetime) -> dict[str, Any]:
    """The output of a pre-settlement; a settlement adds its numbers to setlinfo."""
    person, visit = persons.named(platform, case.visit.psn_no), case.visit
    setlinfo = {
        "mdtrt_id": visit.mdtrt_id,
        "psn_no": person.psn_no,
        "psn_name": person.psn_name,
        "psn_cert_type": "01",
        "certno": person.certno,
        "gend": person.gend,
        "naty": "01",
        "brdy": person.brdy,
        "age": persons.age(person, at),
        "insutype": visit.insutype,
        "psn_type": person.psn_type,
        "cvlserv_flag": person.cvlserv_flag,
        "setl_time": written(at),
        "mdtrt_cert_type": cert_type,
        "med_type": visit.med_type,
        **amounts_of(benefit),
        "clr_optins": platform.identity.admdvs,
        "clr_way": CLEARING_WAY,
        "clr_type": CLEARING_TYPES[visit.kind],
    }
    return {"setlinfo": setlinfo, "setldetail": details_of(visit.insutype, benefit, _left_fen(case))}


def amounts_of(benefit: Benefit) -> dict[str, Decimal]:
    names = [name for name in Benefit.__struct_fields__ if name != "used"]
    return {name: yuan(getattr(benefit, name)) for name in names} | {
        "pool_prop_selfpay": _pool_share(benefit)
    }


def details_of(insutype: str, benefit: Benefit, left_fen: Mapping[str, int]) -> list[dict[str, Any]]:
    """One row for every fund that pays, the account too; crt_payb_lmt_amt is what it could have paid."""
    paying = {"hifp_pay": POOLS[insutype], **FUND_TYPES, "acct_pay": ACCOUNT}
    rows = []
    for name, (kind, label) in paying.items():
        paid_fen = getattr(benefit, name)
        if paid_fen:
            rows.append(
                {
                    "fund_pay_type": kind,
                    "fund_pay_type_name": label,
                    "inscp_scp_amt": yuan(benefit.inscp_scp_amt),
                    "crt_payb_lmt_amt": yuan(left_fen.get(name, paid_fen)),
                    "fund_payamt": yuan(paid_fen),
                    "setl_proc_info": "",
                }
            )
    return rows


def _left_fen(case: Case) -> dict[str, int]:
    plan, used = case.plan, case.used
    return {
        "hifp_pay": max(0, plan.cap_fen - used.pool_fen),
        "hifob_pay": max(0, plan.above_cap_max_fen - used.above_cap_fen),
        "acct_pay": case.means.account_fen,
    }


def _pool_share(benefit: Benefit) -> Decimal:
    """The pool's share of what is in scope above the deductible, for the eye only."""
    base_fen = benefit.inscp_scp_amt - benefit.act_pay_dedc
    if base_fen == 0:
        return Decimal(0)
    return (Decimal(benefit.hifp_pay) / base_fen).quantize(Decimal("0.0001"), ROUND_HALF_UP)

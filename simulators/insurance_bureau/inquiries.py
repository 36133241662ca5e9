"""5204 and 5206: what was uploaded and settled line by line, and what a person has used this year."""

from decimal import Decimal
from sqlite3 import Row
from typing import Any

import msgspec

from simulators.insurance_bureau import fees, persons
from simulators.insurance_bureau.benefits import Care
from simulators.insurance_bureau.calls import Call, Output, Transaction
from simulators.insurance_bureau.catalogue import Item
from simulators.insurance_bureau.fields import Field, Kind, node, written, yuan
from simulators.insurance_bureau.platform import Bureau
from simulators.insurance_bureau.refusals import refused
from simulators.insurance_bureau.standing import year_of, year_use

DETAILS = (
    Field("psn_no", "人员编号", 30),
    Field("setl_id", "结算ID", 30, needed=False),
    Field("mdtrt_id", "就诊ID", 30),
)
USES = (Field("psn_no", "人员编号", 30), Field("cum_ym", "累计年月", 6, needed=False, kind=Kind.DIGITS))

# cum_type_code: the public texts name no codes, so these are ours: care, then what was used.
USE_CODES = {
    "DEDC": "deductible_fen",
    "BAND": "in_bands_fen",
    "POOL": "pool_fen",
    "OVER": "above_cap_fen",
    "SELF": "self_paid_fen",
}
CARE_CODES = {"OTP": Care.OUTPATIENT, "IPT": Care.INPATIENT}


def fee_details(platform: Bureau, call: Call) -> Output:
    """5204: the uploaded lines of a visit, or those of one settlement."""
    asked = node(call.input, "data", DETAILS)
    visit = platform.store.row(
        "select * from visit where mdtrt_id = :id and psn_no = :psn_no",
        id=asked["mdtrt_id"],
        psn_no=asked["psn_no"],
    )
    if visit is None:
        raise refused("就诊ID不存在或与人员编号不一致")
    lines = fees.of_visit(platform.store, asked["mdtrt_id"])
    return {
        "feedetail": [
            _told(line, visit["med_type"]) for line in lines if asked["setl_id"] in ("", line["setl_id"])
        ]
    }


def uses(platform: Bureau, call: Call) -> Output:
    """5206: by insurance year; of cum_ym only the year counts."""
    asked = node(call.input, "data", USES)
    person = persons.named(platform, asked["psn_no"])
    year = int(asked["cum_ym"][:4]) if asked["cum_ym"] else year_of(call.now)
    used = {code: year_use(platform.store, person.psn_no, year, care) for code, care in CARE_CODES.items()}
    return {
        "cuminfo": [
            {
                "insutype": person.insutype,
                "year": f"{year:04d}",
                "cum_ym": asked["cum_ym"] or f"{year:04d}12",
                "cum_type_code": f"{care}_{code}",
                "cum": yuan(getattr(used[care], name)),
            }
            for care in CARE_CODES
            for code, name in USE_CODES.items()
        ]
    }


def _told(line: Row, med_type: str) -> dict[str, Any]:
    item = msgspec.json.decode(line["item"], type=Item)
    return {
        "mdtrt_id": line["mdtrt_id"],
        "setl_id": line["setl_id"] or "",
        "feedetl_sn": line["feedetl_sn"],
        "chrg_bchno": line["chrg_bchno"],
        "med_type": med_type,
        "fee_ocur_time": written(line["occurred_at"]),
        "med_list_codg": line["med_list_codg"],
        "medins_list_codg": line["medins_list_codg"],
        "hilist_name": item.name,
        "cnt": Decimal(line["cnt"]),
        "pric": Decimal(line["pric"]),
        **fees.split_told(item, fees.split_of(line)),
    }


TRANSACTIONS = {
    "5204": Transaction("费用明细查询", fee_details),
    "5206": Transaction("人员累计信息查询", uses),
}

"""2301 to 2305: a stay's fees, taken back in parts, and its settlement after the discharge."""

from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.conftest import Simulators
from tests.simulators.raw_bureau import by_id_card
from tests.simulators.raw_bureau_money import DIAGNOSIS, NUMBERS, WHEN, Cashier, plain_client


class Ward(Cashier):
    """The same cashier, for a stay."""

    def register(self, *, informs: bool = True) -> str:
        number = f"I{next(NUMBERS):08d}"
        asked = {
            "psn_no": self.psn_no,
            "insutype": self.person["insutype"],
            "begntime": WHEN,
            **by_id_card(self.person),
            "med_type": "21",
            "ipt_no": number,
            "medrcdno": number,
            "atddr_no": "D1",
            "chfpdr_name": "医师",
            "adm_diag_dscr": "肺炎",
            "adm_dept_codg": "A03",
            "adm_dept_name": "内科",
            "adm_bed": "1",
            "dscg_maindiag_code": "J18.900",
            "dscg_maindiag_name": "肺炎",
        }
        diagnosis = {"psn_no": self.psn_no, "maindiag_flag": "1", "adm_cond": "稳定", **DIAGNOSIS}
        told = self.client.output("2401", {"mdtrtinfo": asked, "diseinfo": [diagnosis]})
        return told["result"]["mdtrt_id"]

    def discharge(self) -> None:
        asked = {
            "mdtrt_id": self.mdtrt_id,
            "psn_no": self.psn_no,
            "insutype": self.person["insutype"],
            "endtime": "2026-11-28 08:00:00",
            "dscg_dept_codg": "A03",
            "dscg_dept_name": "内科",
            "dscg_bed": "1",
            "dscg_way": "1",
        }
        diagnosis = {"mdtrt_id": self.mdtrt_id, "psn_no": self.psn_no, "maindiag_flag": "1", **DIAGNOSIS}
        self.client.output("2402", {"dscginfo": asked, "diseinfo": [diagnosis]})

    def day(self, code: str, price: str, cnt: int = 1, **change: Any) -> dict[str, Any]:
        return self.line(code, price, cnt, med_type="21", **change)

    def charge(self, *lines: dict[str, Any]) -> list[dict[str, Any]]:
        return self.client.output("2301", {"feedetail": list(lines)})["result"]

    def bill(self, infno: str, total: str, **change: Any) -> dict[str, Any]:
        return self.client.output(infno, self.asked(total, **change))["setlinfo"]


@pytest.fixture
def ward(simulators: Simulators) -> Ward:
    return Ward(simulators, plain_client(simulators), insutype="390", account_fen=0)


def test_the_documents_resident_settles(ward: Ward) -> None:
    """The resident of docs/algorithms/benefits.md: 20 000 class A, 10 000 class B at 20 %, 1 200 class C."""
    ward.charge(ward.day("XDEMO0001", "20000"), ward.day("XDEMO0015", "10000"), ward.day("FDEMO0005", "1200"))
    promised = ward.bill("2303", "31200.00")
    assert "2402" in ward.refusal("2304", ward.asked("31200.00"))
    ward.discharge()
    told = ward.bill("2304", "31200.00")
    for settled in (promised, told):
        amounts = [settled[name] for name in ("act_pay_dedc", "hifp_pay", "fund_pay_sumamt", "psn_cash_pay")]
        assert amounts == [800, 20400, 20400, 10800]
    assert told["clr_type"] == "21"


def test_a_settlement_in_between_needs_no_discharge(ward: Ward) -> None:
    ward.charge(ward.day("XDEMO0001", "1000"))
    first = ward.bill("2304", "1000.00", mid_setl_flag="1")
    ward.charge(ward.day("XDEMO0001", "100"))
    ward.discharge()
    second = ward.bill("2304", "100.00")
    assert (first["act_pay_dedc"], second["act_pay_dedc"], second["hifp_pay"]) == (800, 0, 75)


def test_a_reversed_stay_settles_anew(ward: Ward) -> None:
    before = ward.owed()
    ward.charge(ward.day("XDEMO0001", "5000"))
    ward.discharge()
    settled = ward.bill("2304", "5000.00")
    assert "2305" in ward.refusal("2208", ward.reversal(settled))
    told = ward.client.output("2305", ward.reversal(settled))["setlinfo"]
    assert told["fund_pay_sumamt"] == -settled["fund_pay_sumamt"]
    assert ward.owed() == before
    assert ward.bill("2304", "5000.00")["hifp_pay"] == settled["hifp_pay"]


def test_what_is_returned_leaves_no_fen_behind(ward: Ward) -> None:
    """Three of 0.35 at ten per cent are returned one by one; each rounding is made good by the next."""
    first = ward.day("XDEMO0002", "0.35", 3)
    told = ward.charge(first)
    for _turn in range(3):
        told += ward.charge(ward.day("XDEMO0002", "0.35", -1, init_feedetl_sn=first["feedetl_sn"]))
    for name in ("det_item_fee_sumamt", "preselfpay_amt", "inscp_scp_amt"):
        assert sum(Decimal(str(line[name])) for line in told) == 0
    more = ward.day("XDEMO0002", "0.35", -1, init_feedetl_sn=first["feedetl_sn"])
    assert "余量" in ward.refusal("2301", {"feedetail": [more]})


def test_a_return_names_its_line(ward: Ward) -> None:
    first = ward.day("XDEMO0002", "10", 2)
    ward.charge(first)
    stranger = ward.day("XDEMO0001", "10", -1, init_feedetl_sn=first["feedetl_sn"])
    assert "目录编码不一致" in ward.refusal("2301", {"feedetail": [stranger]})
    unknown = ward.day("XDEMO0002", "10", -1, init_feedetl_sn="F0")
    assert "不存在" in ward.refusal("2301", {"feedetail": [unknown]})
    nameless = ward.day("XDEMO0002", "10", -1)
    assert "原费用流水号" in ward.refusal("2301", {"feedetail": [nameless]})


def test_lines_are_taken_back_one_by_one(ward: Ward) -> None:
    first, second = ward.day("XDEMO0002", "10", 2), ward.day("XDEMO0001", "7")
    back = ward.day("XDEMO0002", "10", -1, init_feedetl_sn=first["feedetl_sn"])
    ward.charge(first, second)
    ward.charge(back)

    def taking(number: str) -> dict[str, Any]:
        return {"data": [{"feedetl_sn": number, "mdtrt_id": ward.mdtrt_id, "psn_no": ward.psn_no}]}

    assert "冲减" in ward.refusal("2302", taking(first["feedetl_sn"]))
    ward.client.output("2302", taking(back["feedetl_sn"]))
    ward.client.output("2302", taking(first["feedetl_sn"]))
    assert "不存在" in ward.refusal("2302", taking(first["feedetl_sn"]))
    assert ward.bill("2303", "7.00")["medfee_sumamt"] == 7
    ward.client.output("2302", taking("0000"))
    assert "没有未结算" in ward.refusal("2303", ward.asked("7.00"))


def test_the_clinics_transactions_are_not_the_wards(simulators: Simulators, ward: Ward) -> None:
    assert "不存在" in ward.refusal("2204", {"feedetail": [ward.line("XDEMO0001", "7")]})
    clinic = Cashier(simulators, ward.client)
    line = {**clinic.line("XDEMO0001", "7"), "med_type": "21"}
    assert "不存在" in ward.refusal("2301", {"feedetail": [line]})

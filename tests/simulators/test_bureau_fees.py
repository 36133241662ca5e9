"""2204 and 2205: what may be uploaded, how it is split, and what may be taken back."""

from typing import Any

import pytest

from tests.simulators.conftest import Simulators
from tests.simulators.raw_bureau import BUREAU
from tests.simulators.raw_bureau_money import WHEN, Cashier, plain_client


@pytest.fixture
def cashier(simulators: Simulators) -> Cashier:
    return Cashier(simulators, plain_client(simulators))


def test_a_line_is_split_by_its_class(cashier: Cashier) -> None:
    first, second, third, limited = cashier.upload(
        cashier.line("XDEMO0001", "12.5"),
        cashier.line("XDEMO0002", "28.60", 3),
        cashier.line("FDEMO0005", "100"),
        cashier.line("FDEMO0008", "80", 2),
    )
    assert (first["chrgitm_lv"], first["inscp_scp_amt"]) == ("01", 12.5)
    assert (second["chrgitm_lv"], second["selfpay_prop"]) == ("02", 0.1)
    assert (second["det_item_fee_sumamt"], second["preselfpay_amt"], second["inscp_scp_amt"]) == (
        85.8,
        8.58,
        77.22,
    )
    assert (third["chrgitm_lv"], third["fulamt_ownpay_amt"], third["inscp_scp_amt"]) == ("03", 100, 0)
    assert (limited["pric_uplmt_amt"], limited["overlmt_amt"], limited["inscp_scp_amt"]) == (50, 60, 100)
    assert limited["med_chrgitm_type"] == "01"


def test_the_hospital_may_bill_a_line_as_self_pay(cashier: Cashier) -> None:
    [split] = cashier.upload(cashier.line("XDEMO0001", "12.50", hosp_appr_flag="2"))
    assert (split["chrgitm_lv"], split["fulamt_ownpay_amt"]) == ("03", 12.5)


def test_a_price_has_six_decimals_and_the_sum_is_rounded_half_up(cashier: Cashier) -> None:
    [split] = cashier.upload(cashier.line("XDEMO0001", "0.033333", 9, det_item_fee_sumamt="0.30"))
    assert split["det_item_fee_sumamt"] == 0.3


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a sum that is not price times quantity": ({"det_item_fee_sumamt": "12.51"}, "总额不等于"),
    "three decimals": ({"det_item_fee_sumamt": "12.500"}, ""),
    "a code outside the catalogue": ({"med_list_codg": "NOSUCH"}, "NOSUCH 未匹配医保目录"),
    "a negative quantity": ({"cnt": -1, "det_item_fee_sumamt": "-12.50"}, "数量须大于 0"),
    "no price": ({"pric": None}, "pric"),
    "no number": ({"cnt": "many"}, "cnt"),
    "an exponent": ({"cnt": "1E999999"}, "cnt"),
    "an enormous sum": ({"det_item_fee_sumamt": "1E999999"}, "det_item_fee_sumamt"),
    "a fraction of a fen": ({"det_item_fee_sumamt": "12.501"}, "det_item_fee_sumamt"),
    "no department": ({"bilg_dept_codg": ""}, "bilg_dept_codg"),
    "an unknown visit": ({"mdtrt_id": "nobody"}, "不存在"),
    "an ill-formed time": ({"fee_ocur_time": "2026-11-24"}, "fee_ocur_time"),
}


@pytest.mark.parametrize("name", [name for name in WRONG if WRONG[name][1]])
def test_a_wrong_line_is_refused_and_nothing_is_kept(cashier: Cashier, name: str) -> None:
    change, message = WRONG[name]
    good = cashier.line("XDEMO0001", "12.50")
    wrong = {**cashier.line("XDEMO0001", "12.50"), **change}
    assert message in cashier.refusal("2204", {"feedetail": [good, wrong]})
    cashier.upload(good)
    assert cashier.settle("12.50")["medfee_sumamt"] == 12.5


def test_trailing_zeros_are_no_third_decimal(cashier: Cashier) -> None:
    change, _message = WRONG["three decimals"]
    cashier.upload({**cashier.line("XDEMO0001", "12.50"), **change})


def test_somebody_elses_visit_is_refused(simulators: Simulators, cashier: Cashier) -> None:
    other = Cashier(simulators, cashier.client)
    line = cashier.line("XDEMO0001", "12.50", mdtrt_id=other.mdtrt_id)
    assert "不属于该人员" in cashier.refusal("2204", {"feedetail": [line]})


def test_a_detail_number_serves_once_in_a_visit(simulators: Simulators, cashier: Cashier) -> None:
    line = cashier.line("XDEMO0001", "12.50")
    cashier.upload(line)
    assert "重复" in cashier.refusal("2204", {"feedetail": [line]})
    other = Cashier(simulators, cashier.client)
    other.upload(other.line("XDEMO0001", "12.50", feedetl_sn=line["feedetl_sn"]))


def test_a_batch_is_taken_back(cashier: Cashier) -> None:
    first = cashier.line("XDEMO0001", "12.50")
    cashier.upload(first, cashier.line("XDEMO0003", "1.90", batch="B2"))
    asked = {"mdtrt_id": cashier.mdtrt_id, "psn_no": cashier.psn_no, "chrg_bchno": "B1"}
    cashier.client.output("2205", {"data": asked})
    assert "没有未结算" in cashier.refusal("2207", cashier.asked("12.50"))
    assert cashier.settle("1.90", "B2")["medfee_sumamt"] == 1.9
    cashier.upload(first)
    assert cashier.settle("12.50")["medfee_sumamt"] == 12.5


def test_a_visit_with_fees_is_not_cancelled(cashier: Cashier) -> None:
    told = cashier.client.output(
        "5201", {"data": {"psn_no": cashier.psn_no, "begntime": WHEN, "endtime": WHEN}}
    )
    [visit] = told["mdtrtinfo"]
    asked = {name: visit[name] for name in ("mdtrt_id", "psn_no", "ipt_otp_no")}
    cashier.upload(cashier.line("XDEMO0001", "12.50"))
    assert "费用明细" in cashier.refusal("2202", {"data": asked})
    taking = {"mdtrt_id": cashier.mdtrt_id, "psn_no": cashier.psn_no, "chrg_bchno": "0000"}
    cashier.client.output("2205", {"data": taking})
    cashier.client.output("2202", {"data": asked})
    assert "已撤销" in cashier.refusal("2204", {"feedetail": [cashier.line("XDEMO0001", "12.50")]})


def test_0000_takes_back_what_is_not_settled(cashier: Cashier) -> None:
    settled = cashier.treat("12.50")
    cashier.upload(cashier.line("XDEMO0003", "1.90", batch="B2"))
    asked = {"mdtrt_id": cashier.mdtrt_id, "psn_no": cashier.psn_no, "chrg_bchno": "0000"}
    cashier.client.output("2205", {"data": asked})
    told = cashier.client.output("5204", {"data": {"psn_no": cashier.psn_no, "mdtrt_id": cashier.mdtrt_id}})
    assert [line["setl_id"] for line in told["feedetail"]] == [settled["setl_id"]]


def test_a_settled_batch_takes_no_more_and_gives_nothing_back(cashier: Cashier) -> None:
    cashier.treat("12.50")
    asked = {"mdtrt_id": cashier.mdtrt_id, "psn_no": cashier.psn_no, "chrg_bchno": "B1"}
    assert "已结算" in cashier.refusal("2205", {"data": asked})
    assert "已结算" in cashier.refusal("2204", {"feedetail": [cashier.line("XDEMO0003", "1.90")]})


def test_the_catalogue_is_the_regions_to_change(simulators: Simulators, cashier: Cashier) -> None:
    item = {
        "med_list_codg": "T1",
        "name": "试验",
        "chrgitm_lv": "02",
        "selfpay_prop": "0.3",
        "pric_uplmt": "10",
    }
    simulators.control(BUREAU, "POST", "/catalogue", **item)
    [split] = cashier.upload(cashier.line("T1", "12"))
    assert (split["overlmt_amt"], split["preselfpay_amt"], split["inscp_scp_amt"]) == (2, 3, 7)
    codes = [known["med_list_codg"] for known in simulators.control(BUREAU, "GET", "/catalogue")["items"]]
    assert {"T1", "XDEMO0001"} <= set(codes)
    wrong = simulators.control_answer(BUREAU, "POST", "/catalogue", **{**item, "selfpay_prop": "1.5"})
    assert wrong.status_code == 400

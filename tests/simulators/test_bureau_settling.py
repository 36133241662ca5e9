"""2206, 2207, 2208 and their corrections: what is paid, what is used up, and what is refused."""

from typing import Any

import pytest

from tests.simulators.conftest import Simulators
from tests.simulators.raw_bureau import BUREAU, Client
from tests.simulators.raw_bureau_money import Cashier, plain_client

FUNDS = ("hifp_pay", "cvlserv_pay", "hifes_pay", "hifmi_pay", "hifob_pay", "maf_pay", "oth_pay")


@pytest.fixture
def client(simulators: Simulators) -> Client:
    return plain_client(simulators)


@pytest.fixture
def cashier(simulators: Simulators, client: Client) -> Cashier:
    return Cashier(simulators, client)


def fens(told: dict[str, Any], *names: str) -> list[int]:
    return [round(told[name] * 100) for name in names]


def timeless(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != "setl_time"}


def uses(cashier: Cashier) -> dict[str, float]:
    told = cashier.client.output("5206", {"data": {"psn_no": cashier.psn_no}})
    return {row["cum_type_code"]: row["cum"] for row in told["cuminfo"]}


def test_the_documents_employee_settles(simulators: Simulators, client: Client) -> None:
    """The first worked number of docs/algorithms/benefits.md, over the wire."""
    cashier = Cashier(simulators, client, account_fen=60_000)
    simulators.control(
        BUREAU, "POST", "/catalogue", med_list_codg="L15", name="限价", chrgitm_lv="01", pric_uplmt="15"
    )
    cashier.upload(
        cashier.line("XDEMO0001", "1200"),
        cashier.line("XDEMO0002", "300"),
        cashier.line("L15", "20", 4),
        cashier.line("FDEMO0005", "50"),
    )
    before = cashier.owed()
    promised = timeless(cashier.presettle("1630.00"))
    assert timeless(cashier.presettle("1630.00")) == promised
    assert cashier.owed() == before
    told = cashier.settle("1630.00")
    assert promised.items() <= told.items()
    assert fens(told, "fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt") == [
        5000,
        2000,
        3000,
        153000,
    ]
    assert fens(told, "act_pay_dedc", "hifp_pay", "acct_pay", "psn_cash_pay", "balc") == [
        50000,
        72100,
        60000,
        30900,
        0,
    ]
    assert told["fund_pay_sumamt"] == sum(told[name] for name in FUNDS)
    assert cashier.account_fen() == 0
    after = cashier.owed()
    assert (after["funds"] - before["funds"], after["accounts"] - before["accounts"]) == (72100, 60000)
    assert (uses(cashier)["OTP_DEDC"], uses(cashier)["OTP_POOL"]) == (500, 721)


def test_who_was_settled_is_told(cashier: Cashier) -> None:
    told = cashier.treat("10.00")
    assert (told["psn_no"], told["mdtrt_id"]) == (cashier.psn_no, cashier.mdtrt_id)
    assert told["certno"] == cashier.person["certno"]
    assert (told["clr_type"], told["insutype"]) == ("11", "310")
    assert told["medins_setl_id"].startswith(cashier.client.card["fixmedins_code"])


def test_the_account_is_left_alone_when_it_shall_be(cashier: Cashier) -> None:
    cashier.upload(cashier.line("XDEMO0001", "100"))
    held = cashier.account_fen()
    told = cashier.settle("100.00", acct_used_flag="0")
    assert fens(told, "acct_pay", "psn_cash_pay", "balc") == [0, 10000, held]
    assert cashier.account_fen() == held


def test_the_deductible_is_paid_once_a_year(cashier: Cashier) -> None:
    first, second = cashier.treat("500.00", "B1"), cashier.treat("100.00", "B2")
    assert fens(first, "act_pay_dedc", "hifp_pay") == [50000, 0]
    assert fens(second, "act_pay_dedc", "hifp_pay") == [0, 7000]


def test_earlier_use_counts(simulators: Simulators, cashier: Cashier) -> None:
    told = {"care": "outpatient", "deductible_fen": 50_000, "pool_fen": 1_999_900}
    simulators.control(BUREAU, "POST", f"/persons/{cashier.psn_no}/uses", **told)
    assert fens(cashier.treat("100.00"), "act_pay_dedc", "hifp_pay", "hifob_pay") == [0, 100, 5520]


def test_help_pays_after_the_pool(simulators: Simulators, client: Client) -> None:
    cashier = Cashier(simulators, client, account_fen=1_000)
    told = {"civil_servant_share": "0.5", "assistance_share": "0.2", "family_fen": 500}
    simulators.control(BUREAU, "POST", f"/persons/{cashier.psn_no}/help", **told)
    settled = cashier.treat("100.00")
    assert fens(settled, "cvlserv_pay", "maf_pay", "acct_pay", "acct_mulaid_pay", "psn_cash_pay") == [
        5000,
        1000,
        1000,
        500,
        2500,
    ]
    cashier.reverse(settled)
    again = cashier.settle("100.00")
    assert fens(again, "acct_pay", "acct_mulaid_pay") == [1000, 500]


def test_class_c_alone_is_cash_and_moves_nothing(cashier: Cashier) -> None:
    before = cashier.owed()
    told = cashier.treat("100.00", code="FDEMO0005")
    assert fens(told, "fund_pay_sumamt", "acct_pay", "psn_cash_pay") == [0, 0, 10000]
    assert cashier.owed() == before
    assert fens(cashier.reverse(told), "psn_cash_pay") == [-10000]


def test_a_reversal_is_the_settlement_negated(cashier: Cashier) -> None:
    before, held = cashier.owed(), cashier.account_fen()
    settled = cashier.treat("1000.00")
    assert cashier.owed() != before
    told = cashier.reverse(settled)
    assert told["setl_id"] != settled["setl_id"]
    names = (
        "medfee_sumamt",
        "inscp_scp_amt",
        "act_pay_dedc",
        "hifp_pay",
        "fund_pay_sumamt",
        "acct_pay",
        "psn_cash_pay",
    )
    assert fens(told, *names) == [-amount for amount in fens(settled, *names)]
    assert fens(told, "balc") == [held]
    assert (cashier.owed(), cashier.account_fen()) == (before, held)
    assert set(uses(cashier).values()) == {0}
    assert cashier.settle("1000.00")["hifp_pay"] == settled["hifp_pay"]


def test_a_part_goes_back_by_settling_the_rest_anew(cashier: Cashier) -> None:
    keep, drop = cashier.line("XDEMO0001", "600"), cashier.line("XDEMO0001", "400")
    cashier.upload(keep, drop)
    settled = cashier.settle("1000.00")
    cashier.reverse(settled)
    asked = {"mdtrt_id": cashier.mdtrt_id, "psn_no": cashier.psn_no, "chrg_bchno": "B1"}
    cashier.client.output("2205", {"data": asked})
    cashier.upload(keep)
    assert fens(cashier.settle("600.00"), "hifp_pay") == [7000]


def test_a_settlement_is_not_repeated(cashier: Cashier) -> None:
    """A second message, with a number of its own, for fees that are settled."""
    cashier.treat("10.00")
    assert "重复结算" in cashier.refusal("2207", cashier.asked("10.00"))
    assert "重复结算" in cashier.refusal("2206", cashier.asked("10.00"))


WRONG = {
    "another sum": ({"medfee_sumamt": "10.01"}, "不一致"),
    "another insurance": ({"insutype": "390"}, "险种"),
    "another kind of care": ({"med_type": "14"}, "医疗类别"),
    "no such batch": ({"chrg_bchno": "B9"}, "没有未结算"),
    "no such visit": ({"mdtrt_id": "nobody"}, "不存在"),
    "somebody else's card": ({"mdtrt_cert_no": "990000199001010010"}, "mdtrt_cert_no"),
    "no flag": ({"acct_used_flag": ""}, "acct_used_flag"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_settlement_is_refused(cashier: Cashier, name: str) -> None:
    change, message = WRONG[name]
    cashier.upload(cashier.line("XDEMO0001", "10"))
    assert message in cashier.refusal("2207", cashier.asked("10.00", **change))
    assert cashier.settle("10.00")["medfee_sumamt"] == 10


def test_a_reversal_gives_back_to_the_year_of_its_settlement(
    simulators: Simulators, cashier: Cashier
) -> None:
    settled = cashier.treat("1000.00")
    year = settled["setl_time"][:4]
    simulators.clock.forward(days=370)
    cashier.client.sign_in()
    cashier.reverse(settled)
    for asked in (f"{year}12", f"{int(year) + 1}12"):
        told = cashier.client.output("5206", {"data": {"psn_no": cashier.psn_no, "cum_ym": asked}})
        assert {row["cum"] for row in told["cuminfo"]} == {0}
    assert fens(cashier.settle("1000.00"), "act_pay_dedc") == [50000]


def test_a_visit_without_its_information_is_not_settled(simulators: Simulators, client: Client) -> None:
    cashier = Cashier(simulators, client)
    cashier.mdtrt_id = cashier.register(informs=False)
    cashier.upload(cashier.line("XDEMO0001", "10"))
    assert "2203" in cashier.refusal("2206", cashier.asked("10.00"))


@pytest.mark.parametrize("infno", ["2207", "2208"])
def test_a_lost_answer_is_corrected(simulators: Simulators, cashier: Cashier, infno: str) -> None:
    """2601 takes the effect back, whichever it was; a new message then does it."""
    if infno == "2208":
        content = cashier.reversal(cashier.treat("1000.00"))
    else:
        cashier.upload(cashier.line("XDEMO0001", "1000"))
        content = cashier.asked("1000.00")
    before, used, held = cashier.owed(), uses(cashier), cashier.account_fen()
    msgid = cashier.client.msgid()
    cashier.client.output(infno, content, msgid=msgid)
    assert (cashier.owed(), cashier.account_fen()) != (before, held)
    correction = {"data": {"psn_no": cashier.psn_no, "omsgid": msgid, "oinfno": infno}}
    cashier.client.output("2601", correction)
    assert (cashier.owed(), uses(cashier), cashier.account_fen()) == (before, used, held)
    assert "冲正" in cashier.client.call(infno, content, msgid=msgid)["err_msg"]
    cashier.client.output(infno, content)


def test_what_is_reversed_cannot_be_corrected(cashier: Cashier) -> None:
    settled = cashier.treat("1000.00")
    correction = {"psn_no": cashier.psn_no, "omsgid": settled["medins_setl_id"], "oinfno": "2207"}
    backwards = cashier.reverse(settled)
    assert "已撤销" in cashier.refusal("2601", {"data": correction})
    cashier.settle("1000.00")
    undoing = {"psn_no": cashier.psn_no, "omsgid": backwards["medins_setl_id"], "oinfno": "2208"}
    assert "最后一次" in cashier.refusal("2601", {"data": undoing})


def test_a_reversal_whose_fees_are_gone_cannot_be_corrected(cashier: Cashier) -> None:
    backwards = cashier.reverse(cashier.treat("1000.00"))
    asked = {"mdtrt_id": cashier.mdtrt_id, "psn_no": cashier.psn_no, "chrg_bchno": "B1"}
    cashier.client.output("2205", {"data": asked})
    undoing = {"psn_no": cashier.psn_no, "omsgid": backwards["medins_setl_id"], "oinfno": "2208"}
    assert "费用明细已变动" in cashier.refusal("2601", {"data": undoing})


def test_only_the_latest_settlement_may_be_reversed(cashier: Cashier) -> None:
    first, second = cashier.treat("10.00", "B1"), cashier.treat("20.00", "B2")
    assert second["setl_id"] in cashier.refusal("2208", cashier.reversal(first))
    cashier.reverse(second)
    assert "已撤销" in cashier.refusal("2208", cashier.reversal(second))
    cashier.reverse(first)


def test_a_reversal_names_its_settlement(simulators: Simulators, cashier: Cashier) -> None:
    settled = cashier.treat("10.00")
    other = Cashier(simulators, cashier.client)
    assert "不一致" in cashier.refusal("2208", cashier.reversal(settled, mdtrt_id=other.mdtrt_id))
    assert "不存在" in cashier.refusal("2208", cashier.reversal(settled, setl_id="A0"))
    assert "2305" in cashier.refusal("2305", cashier.reversal(settled))
    backwards = cashier.reverse(settled)
    assert "不存在" in cashier.refusal("2208", cashier.reversal(backwards))


def test_what_is_cleared_stays(simulators: Simulators, cashier: Cashier) -> None:
    settled = cashier.treat("10.00")
    day = settled["setl_time"][:10]
    assert simulators.control(BUREAU, "POST", f"/days/{day}/close")["cleared"] >= 1
    assert "已清算" in cashier.refusal("2208", cashier.reversal(settled))
    assert simulators.control(BUREAU, "POST", f"/days/{day}/close")["cleared"] == 0


@pytest.mark.sees(BUREAU, "settle_refused", "reversal_refused")
@pytest.mark.parametrize(("name", "infno"), [("settle_refused", "2207"), ("reversal_refused", "2208")])
def test_the_bureau_may_simply_refuse(
    simulators: Simulators, cashier: Cashier, name: str, infno: str
) -> None:
    settled = cashier.treat("10.00", "B1") if infno == "2208" else {}
    cashier.upload(cashier.line("XDEMO0001", "20", batch="B2"))
    simulators.control(BUREAU, "POST", "/faults", name=name, reference=cashier.psn_no)
    assert cashier.presettle("20.00", "B2")["medfee_sumamt"] == 20
    content = cashier.reversal(settled) if settled else cashier.asked("20.00", "B2")
    before = cashier.owed()
    assert "失败" in cashier.refusal(infno, content)
    assert cashier.owed() == before
    cashier.client.output(infno, content)


@pytest.mark.sees(BUREAU, "differs_from_presettle")
def test_a_settlement_may_differ_from_what_was_promised(simulators: Simulators, cashier: Cashier) -> None:
    cashier.upload(cashier.line("XDEMO0001", "1000"))
    promised = cashier.presettle("1000.00")
    simulators.control(BUREAU, "POST", "/faults", name="differs_from_presettle", reference=cashier.psn_no)
    told = cashier.settle("1000.00")
    assert fens(told, "psn_cash_pay") == [fens(promised, "psn_cash_pay")[0] + 100]
    assert fens(told, "hifp_pay") == [fens(promised, "hifp_pay")[0] - 100]
    assert told["medfee_sumamt"] == told["fund_pay_sumamt"] + told["acct_pay"] + told["psn_cash_pay"]

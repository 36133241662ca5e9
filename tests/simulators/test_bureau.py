"""The insurance bureau as an honest hospital meets it: people, visits, stays, and messages taken back."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.conftest import Simulators
from tests.simulators.raw_bureau import BUREAU, Client, by_id_card, new_person
from tests.simulators.raw_bureau_visits import (
    admission,
    changed_stay,
    diagnosis,
    discharge,
    hours_ago,
    named,
    registration,
    reversal,
    visits_of,
)


@pytest.fixture
def client(simulators: Simulators) -> Client:
    made = Client(simulators)
    made.sign_in()
    return made


@pytest.fixture
def person(simulators: Simulators) -> dict[str, Any]:
    return new_person(simulators, account_fen=12_345)


def refusal(client: Client, infno: str, content: Any, **change: Any) -> str:
    told = client.call(infno, content, **change)
    assert told["infcode"] == "-1", told
    assert told["output"] is None
    return told["err_msg"]


def test_a_person_is_known_by_three_credentials(simulators: Simulators, client: Client) -> None:
    person = new_person(simulators, account_fen=12_345, insutype="390")
    token = simulators.control(BUREAU, "POST", f"/persons/{person['psn_no']}/tokens")["token"]
    card = {"mdtrt_cert_type": "03", "mdtrt_cert_no": person["card_no"], "card_sn": person["card_sn"]}
    for cert in (by_id_card(person), {"mdtrt_cert_type": "01", "mdtrt_cert_no": token}, card):
        told = client.output("1101", {"data": cert}, insuplc_admdvs="")
        assert told["baseinfo"]["psn_no"] == person["psn_no"]
        assert told["insuinfo"][0]["balc"] == 123.45
        assert told["insuinfo"][0]["insutype"] == "390"
        assert told["idetinfo"] == []
    wrong = {**card, "card_sn": "0" * 32}
    assert refusal(client, "1101", {"data": wrong}).startswith("card_sn")
    assert refusal(client, "1101", {"data": {**by_id_card(person), "psn_name": "乙"}}).startswith("psn_name")
    assert simulators.control(BUREAU, "GET", f"/persons/{person['psn_no']}") == person


def test_a_token_expires_and_serves_one_visit(
    simulators: Simulators, client: Client, person: dict[str, Any]
) -> None:
    token = simulators.control(BUREAU, "POST", f"/persons/{person['psn_no']}/tokens")["token"]
    cert = {"mdtrt_cert_type": "01", "mdtrt_cert_no": token}
    client.output("2201", registration(client, person, **cert))
    assert "另一次就诊" in refusal(client, "2201", registration(client, person, **cert))
    simulators.clock.forward(minutes=30)
    assert "过期" in refusal(client, "1101", {"data": cert})
    assert "无效" in refusal(client, "1101", {"data": {**cert, "mdtrt_cert_no": "0" * 32}})


def test_entitlement_says_why_not(simulators: Simulators, client: Client) -> None:
    paused = new_person(simulators, psn_insu_stas="2")
    good = new_person(simulators)
    flags = []
    for person in (paused, good):
        asked = {
            "psn_no": person["psn_no"],
            "insutype": "310",
            "fixmedins_code": client.card["fixmedins_code"],
            "med_type": "11",
            "begntime": hours_ago(client, 0),
        }
        [told] = client.output("2001", {"data": asked})["trtinfo"]
        flags.append((told["trt_enjymnt_flag"], bool(told["trt_chk_rslt"])))
    assert flags == [("0", True), ("1", False)]
    assert "暂停参保" in refusal(client, "2201", registration(client, paused))


def test_a_registration_is_informed_of_and_cancelled(client: Client, person: dict[str, Any]) -> None:
    asked = registration(client, person)
    mdtrt_id = client.output("2201", asked)["data"]["mdtrt_id"]
    number, psn_no = asked["data"]["ipt_otp_no"], person["psn_no"]
    visit = {"mdtrt_id": mdtrt_id, "psn_no": psn_no, "med_type": "14", "begntime": hours_ago(client, 1)}
    assert client.output("2203", {"mdtrtinfo": visit, "diseinfo": [diagnosis(client)]}) == {}
    [told] = visits_of(client, psn_no)
    assert (told["mdtrt_id"], told["med_type"]) == (mdtrt_id, "14")
    assert "重复" in refusal(client, "2201", registration(client, person, ipt_otp_no=number))
    assert "不符" in refusal(client, "2202", named(psn_no, mdtrt_id, ipt_otp_no="other"))
    client.output("2202", named(psn_no, mdtrt_id, ipt_otp_no=number))
    assert visits_of(client, psn_no) == []
    assert "已撤销" in refusal(client, "2202", named(psn_no, mdtrt_id, ipt_otp_no=number))
    client.output("2201", registration(client, person, ipt_otp_no=number))


def test_somebody_elses_visit_and_credential_are_refused(simulators: Simulators, client: Client) -> None:
    one, other = new_person(simulators), new_person(simulators)
    asked = registration(client, one)
    mdtrt_id = client.output("2201", asked)["data"]["mdtrt_id"]
    theirs = named(other["psn_no"], mdtrt_id, ipt_otp_no=asked["data"]["ipt_otp_no"])
    assert "不属于该人员" in refusal(client, "2202", theirs)
    assert "不属于该人员" in refusal(client, "2201", registration(client, one, **by_id_card(other)))
    assert "未参加" in refusal(client, "2201", registration(client, one, insutype="390"))


def test_a_stay_runs_its_course(client: Client, person: dict[str, Any]) -> None:
    psn_no, asked = person["psn_no"], admission(client, person)
    number = asked["mdtrtinfo"]["ipt_no"]
    mdtrt_id = client.output("2401", asked)["result"]["mdtrt_id"]
    assert "已在院" in refusal(client, "2401", admission(client, person))
    assert "正在住院" in refusal(client, "2201", registration(client, person))
    client.output("2403", changed_stay(client, psn_no, mdtrt_id, number, adm_bed="13"))
    assert "尚未结束" in refusal(client, "2405", named(psn_no, mdtrt_id))
    client.output("2402", discharge(client, person, mdtrt_id))
    assert "已办理出院" in refusal(client, "2402", discharge(client, person, mdtrt_id))
    assert "已办理出院" in refusal(client, "2404", named(psn_no, mdtrt_id))
    assert visits_of(client, psn_no)[0]["endtime"]
    client.output("2201", registration(client, person))
    client.output("2405", named(psn_no, mdtrt_id))
    client.output("2404", named(psn_no, mdtrt_id))
    assert "已撤销" in refusal(client, "2402", discharge(client, person, mdtrt_id))


def test_a_discharge_is_not_undone_into_a_second_stay(client: Client, person: dict[str, Any]) -> None:
    first = client.output("2401", admission(client, person))["result"]["mdtrt_id"]
    client.output("2402", discharge(client, person, first))
    client.output("2401", admission(client, person))
    assert "新的在院登记" in refusal(client, "2405", named(person["psn_no"], first))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"insutype": "390"}, "insutype"),
        ({"endtime": "2020-01-01 00:00:00"}, "endtime"),
        ({"dscg_way": "5"}, "die_date"),
        ({"dscg_way": "8"}, "dscg_way"),
    ],
)
def test_an_ill_discharge_is_refused(
    client: Client, person: dict[str, Any], change: dict[str, str], field: str
) -> None:
    mdtrt_id = client.output("2401", admission(client, person))["result"]["mdtrt_id"]
    told = client.call("2402", discharge(client, person, mdtrt_id, **change))
    assert told["infcode"] in ("-1", "-2")
    assert told["err_msg"].startswith(field)
    client.output("2402", discharge(client, person, mdtrt_id))


def test_two_main_diagnoses_are_one_too_many(client: Client, person: dict[str, Any]) -> None:
    asked = admission(client, person)
    told = client.call("2401", {**asked, "diseinfo": [diagnosis(client), diagnosis(client)]})
    assert told["err_msg"].startswith("maindiag_flag")
    client.output("2401", asked)


def test_an_admission_is_taken_back_by_its_msgid(client: Client, person: dict[str, Any]) -> None:
    psn_no, msgid = person["psn_no"], client.msgid()
    client.output("2401", admission(client, person), msgid=msgid)
    assert len(visits_of(client, psn_no)) == 1
    for _ in range(2):  # saying it again changes nothing
        assert client.output("2601", reversal(psn_no, msgid, "2401")) == {}
        assert visits_of(client, psn_no) == []
    client.output("2401", admission(client, person))
    client.output("2601", reversal(psn_no, msgid, "2401"))
    assert len(visits_of(client, psn_no)) == 1, "the new admission is not the one taken back"


def test_a_message_taken_back_before_it_came_never_acts(client: Client, person: dict[str, Any]) -> None:
    psn_no, msgid = person["psn_no"], client.msgid()
    client.output("2601", reversal(psn_no, msgid, "2401"))
    late = client.call("2401", admission(client, person), msgid=msgid)
    assert late["infcode"] == "-4"
    assert "已被冲正" in late["err_msg"]
    assert visits_of(client, psn_no) == []


def test_what_cannot_be_taken_back_is_refused(simulators: Simulators, client: Client) -> None:
    person, other = new_person(simulators), new_person(simulators)
    psn_no, msgid = person["psn_no"], client.msgid()
    mdtrt_id = client.output("2401", admission(client, person), msgid=msgid)["result"]["mdtrt_id"]
    assert "不支持冲正" in refusal(client, "2601", reversal(psn_no, msgid, "2201"))
    assert "人员编号不符" in refusal(client, "2601", reversal(other["psn_no"], msgid, "2401"))
    client.output("2402", discharge(client, person, mdtrt_id))
    assert "已办理出院" in refusal(client, "2601", reversal(psn_no, msgid, "2401"))
    told = client.call("2601", reversal(psn_no, "x" * 30, "2401"))
    assert told["err_msg"].startswith("omsgid")


def test_a_settlement_nobody_made_is_not_found(client: Client, person: dict[str, Any]) -> None:
    assert "未查询到" in refusal(client, "5203", {"data": {"psn_no": person["psn_no"], "setl_id": "A1"}})
    told = client.call("5203", {"data": {"psn_no": person["psn_no"]}})
    assert told["err_msg"].startswith("setl_id")


def test_a_made_up_person_has_a_right_number(simulators: Simulators) -> None:
    person = new_person(simulators)
    assert person["certno"].startswith("990000")
    taken = simulators.control_answer(BUREAU, "POST", "/persons", name="甲", certno=person["certno"])
    assert taken.json()["code"] == "CERTNO_TAKEN"
    last = "1" if person["certno"][-1] != "1" else "2"
    wrong = simulators.control_answer(
        BUREAU, "POST", "/persons", name="甲", certno=person["certno"][:-1] + last
    )
    assert wrong.json()["code"] == "CERTNO_INVALID"
    assert simulators.control_answer(BUREAU, "GET", "/persons/none").status_code == 404


def test_the_book_holds_a_persons_account(simulators: Simulators) -> None:
    before = simulators.control(BUREAU, "GET", "/book")
    person = new_person(simulators, account_fen=321)
    told = simulators.control(BUREAU, "GET", "/book")
    assert told["balanced"]
    assert {"account": f"account:{person['psn_no']}", "balance_fen": 321} in told["accounts"]
    assert told["merchant"] == before["merchant"]
    assert told["merchant"]["net_fen"] == told["merchant"]["balance_fen"]
    [entry] = [
        entry
        for entry in simulators.control(BUREAU, "GET", "/book/entries")["items"]
        if entry["reference"] == person["psn_no"] and entry["account"] == "bank"
    ]
    assert (entry["kind"], entry["amount_fen"]) == ("opening", -321)


def test_the_hospital_may_speak_plainly(simulators: Simulators, client: Client) -> None:
    person = new_person(simulators)
    card_path = Path(simulators.folder) / "insurance_bureau.json"
    simulators.control(BUREAU, "POST", "/profile", profile="plain")
    try:
        assert json.loads(card_path.read_text())["profile"] == "plain"
        client.sealed = False
        told = client.call("1101", {"data": by_id_card(person)})
        assert (told["infcode"], told["cainfo"]) == ("0", "")
        assert told["output"]["baseinfo"]["psn_no"] == person["psn_no"]
    finally:
        simulators.control(BUREAU, "POST", "/profile", profile="sm2_sm4")
    assert client.call("1101", {"data": by_id_card(person)})["infcode"] == "-3"

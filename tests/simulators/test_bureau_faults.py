"""What the bureau refuses, and how it misbehaves when asked to; each with a call that goes well."""

import time
from typing import Any

import httpx
import pytest

from tests.simulators.conftest import Simulators
from tests.simulators.raw_bureau import BUREAU, Client, Forged, by_id_card, new_person
from tests.simulators.raw_bureau_visits import admission, registration, visits_of


@pytest.fixture
def client(simulators: Simulators) -> Client:
    made = Client(simulators)
    made.sign_in()
    return made


@pytest.fixture
def person(simulators: Simulators) -> dict[str, Any]:
    return new_person(simulators)


def arm(simulators: Simulators, name: str, **more: Any) -> None:
    simulators.control(BUREAU, "POST", "/faults", name=name, **more)


def codes(client: Client, **change: Any) -> tuple[str, str]:
    """infcode and the field that the refusal of an otherwise good 1101 names."""
    told = client.call("1101", {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": "1"}}, **change)
    return told["infcode"], told["err_msg"].partition("：")[0]


CONTROL = ("-1", "mdtrt_cert_no")  # nobody has that card: the envelope was fine


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("infno", "11012"),
        ("infno", "8888"),
        ("msgid", None),
        ("msgid", "1" * 30),
        ("msgid", "short"),
        ("mdtrtarea_admvs", None),
        ("mdtrtarea_admvs", "110000"),
        ("insuplc_admdvs", "9901"),
        ("insuplc_admdvs", "abcdef"),
        ("recer_sys_code", None),
        ("recer_sys_code", "x" * 11),
        ("dev_no", "x" * 101),
        ("dev_safe_info", "x" * 2001),
        ("infver", "V2.0"),
        ("opter_type", "4"),
        ("opter", ""),
        ("opter", "x" * 31),
        ("opter_name", None),
        ("inf_time", "2026-13-01 00:00:00"),
        ("inf_time", "20260101000000"),
        ("inf_time", "2020-01-01 00:00:00"),
        ("fixmedins_code", "H00000000000"),
        ("fixmedins_name", None),
        ("opter_name", ["a"]),
    ],
)
def test_an_ill_formed_field_is_named(client: Client, field: str, value: Any) -> None:
    assert codes(client, **{field: value}) == ("-2", field)


def test_a_well_formed_call_passes_with_unknown_fields(client: Client) -> None:
    assert codes(client, our_own_field="x") == CONTROL
    answer = client.http.post(f"{client.card['call_url']}/1101", json=client.envelope("1101", {"data": {}}))
    assert client.read(answer)["err_msg"].startswith("mdtrt_cert_type")
    answer = client.http.post(f"{client.card['call_url']}/2001", json=client.envelope("1101", {"data": {}}))
    assert client.read(answer)["err_msg"].startswith("infno")
    answer = client.http.post(client.card["call_url"], content=b"[not json")
    assert client.read(answer)["infcode"] == "-2"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"signtype": "SM3"}, "signtype"),
        ({"enc_type": ""}, "enc_type"),
        ({"cainfo": ""}, "cainfo"),
        ({"cainfo": "A" * 88}, "cainfo"),
        ({"input": {"data": {}}}, "input"),
        ({"input": "AAAAAAAAAAAAAAAAAAAAAA=="}, "input"),
        ({"input": "not base64"}, "input"),
    ],
)
def test_what_is_not_sealed_right_is_refused(client: Client, change: dict[str, Any], field: str) -> None:
    assert codes(client, **change) == ("-3", field)


def test_a_wrong_key_fails_both_ways(simulators: Simulators, client: Client) -> None:
    stranger = Client(simulators)
    stranger.signer.private_key = f"{int(stranger.signer.private_key, 16) ^ 1:064x}"
    assert codes(stranger) == ("-3", "cainfo")
    deaf = Client(simulators)
    deaf.bureau.public_key = client.signer.public_key
    with pytest.raises(Forged):
        codes(deaf)
    blind = Client(simulators)
    blind.sm4_key = bytes(16)
    assert codes(blind) == ("-3", "input")
    assert codes(client) == CONTROL


def test_a_msgid_acts_once(client: Client, person: dict[str, Any]) -> None:
    msgid = client.msgid()
    client.output("2201", registration(client, person), msgid=msgid)
    again = client.call("2201", registration(client, person), msgid=msgid)
    assert (again["infcode"], len(visits_of(client, person["psn_no"]))) == ("-4", 1)
    spent = client.msgid()
    assert codes(client, msgid=spent) == CONTROL
    assert codes(client, msgid=spent) == ("-4", "msgid")


def test_whoever_has_not_signed_in_is_refused(simulators: Simulators, client: Client) -> None:
    assert codes(client, sign_no="") == ("-5", "sign_no")
    assert codes(client, sign_no="0" * 30) == ("-5", "sign_no")
    assert codes(client) == CONTROL
    simulators.clock.forward(days=1)
    assert codes(client) == ("-5", "sign_no")
    client.sign_in()
    assert codes(client) == CONTROL
    out = {"signOut": {"sign_no": client.sign_no, "opter_no": "1001"}}
    client.output("9002", out)
    assert codes(client) == ("-5", "sign_no")
    assert client.call("9002", out)["infcode"] == "-1"


def test_where_somebody_is_insured_must_be_said(client: Client, person: dict[str, Any]) -> None:
    asked = registration(client, person)
    missing, wrong = (client.call("2201", asked, insuplc_admdvs=area) for area in ("", "990200"))
    assert (missing["infcode"], wrong["infcode"]) == ("-2", "-1")
    assert missing["err_msg"].startswith("insuplc_admdvs")
    assert wrong["err_msg"].startswith("insuplc_admdvs")
    client.output("2201", asked)


@pytest.mark.sees(BUREAU, "lose_request", "error_before", "unavailable_before", "busy")
@pytest.mark.parametrize("name", ["lose_request", "error_before", "unavailable_before", "busy"])
def test_before_nothing_has_happened(
    simulators: Simulators, client: Client, person: dict[str, Any], name: str
) -> None:
    arm(simulators, name, endpoint="2401", reference=person["psn_no"])
    asked, msgid = admission(client, person), client.msgid()
    assert _failure(client, "2401", asked, msgid) == _SHOWN[name]
    assert visits_of(client, person["psn_no"]) == []
    client.output("2401", asked, msgid=msgid)


@pytest.mark.sees(BUREAU, "lose_reply", "error_after", "unavailable_after")
@pytest.mark.parametrize("name", ["lose_reply", "error_after", "unavailable_after"])
def test_after_it_has_happened(
    simulators: Simulators, client: Client, person: dict[str, Any], name: str
) -> None:
    arm(simulators, name, endpoint="2401", reference=person["psn_no"])
    asked, msgid = admission(client, person), client.msgid()
    assert _failure(client, "2401", asked, msgid) == _SHOWN[name]
    assert len(visits_of(client, person["psn_no"])) == 1
    assert client.call("2401", asked, msgid=msgid)["infcode"] == "-4"


@pytest.mark.sees(BUREAU, "delay_before", "delay_after")
@pytest.mark.parametrize("name", ["delay_before", "delay_after"])
def test_a_reply_is_late(simulators: Simulators, client: Client, name: str) -> None:
    arm(simulators, name, endpoint="1101", seconds=0.5)
    took = []
    for _ in range(2):
        began = time.monotonic()
        client.post("1101", {"data": {}})
        took.append(time.monotonic() - began)
    assert took[0] >= 0.5 > took[1]


@pytest.mark.sees(BUREAU, "forged_reply", "unsigned_reply", "tampered_reply")
@pytest.mark.parametrize("name", ["forged_reply", "unsigned_reply", "tampered_reply"])
def test_a_false_reply_is_not_believed(simulators: Simulators, client: Client, name: str) -> None:
    arm(simulators, name, endpoint="1101")
    with pytest.raises(Forged):
        codes(client)
    assert codes(client) == CONTROL


@pytest.mark.sees(BUREAU, "stale_reply")
def test_a_stale_reply_is_signed_but_old(simulators: Simulators, client: Client) -> None:
    arm(simulators, "stale_reply", endpoint="1101")
    stamps = []
    for _ in range(2):
        told = client.call("1101", {"data": {}})
        assert len(told["inf_refmsgid"]) == 30
        stamps.append(int(told["respond_time"]))
    assert len(str(stamps[0])) == 17
    assert stamps[1] - stamps[0] > 300_000


@pytest.mark.sees(BUREAU, "garbled_reply")
def test_a_garbled_reply_cannot_be_read(
    simulators: Simulators, client: Client, person: dict[str, Any]
) -> None:
    arm(simulators, "garbled_reply", endpoint="1101")
    with pytest.raises(ValueError, match=r".*"):
        client.output("1101", {"data": by_id_card(person)})
    client.output("1101", {"data": by_id_card(person)})


@pytest.mark.sees(BUREAU, "sign_in_expired")
def test_a_sign_in_expires_at_once(simulators: Simulators, client: Client) -> None:
    arm(simulators, "sign_in_expired", endpoint="1101")
    assert [codes(client), codes(client)] == [("-5", "sign_no")] * 2
    client.sign_in()
    assert codes(client) == CONTROL


def test_every_fault_of_a_reply_is_seen_here(simulators: Simulators) -> None:
    faults = simulators.control(BUREAU, "GET", "/faults")["known"]
    known = {fault["name"] for fault in faults if fault["part"] == "reply"}
    here = {
        *_SHOWN,
        *("delay_before", "delay_after", "forged_reply", "unsigned_reply", "tampered_reply"),
        *("stale_reply", "garbled_reply", "sign_in_expired"),
    }
    assert known == here


_SHOWN = {
    "lose_request": "no answer",
    "lose_reply": "no answer",
    "error_before": "-100",
    "error_after": "-100",
    "unavailable_before": "502",
    "unavailable_after": "502",
    "busy": "-6",
}


def _failure(client: Client, infno: str, asked: dict[str, Any], msgid: str) -> str:
    try:
        answer = client.post(infno, asked, msgid=msgid)
    except httpx.TransportError:
        return "no answer"
    return client.read(answer)["infcode"] if answer.status_code == 200 else str(answer.status_code)

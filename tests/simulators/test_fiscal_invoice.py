"""The fiscal platform: one bill for one settlement, taken back once, by those who may."""

import base64
import io
import json
from typing import Any

import httpx
import pytest
import zxingcpp
from PIL import Image

from tests.simulators.conftest import Merchant, Simulators
from tests.simulators.raw_fiscal_invoice import (
    FISCAL,
    Client,
    issued,
    named,
    now_stamp,
    on_paper,
    outpatient,
    signed,
    state,
    taking_back,
    voiding,
)
from tests.simulators.waiting import eventually

ISSUE = "invoiceEBillOutpatient"


@pytest.fixture
def client(simulators: Simulators) -> Client:
    return Client(simulators)


def arm(simulators: Simulators, name: str, **more: Any) -> None:
    simulators.control(FISCAL, "POST", "/faults", name=name, **more)


def test_a_bill_has_a_number_a_check_code_and_a_picture(simulators: Simulators, client: Client) -> None:
    bill = issued(client)
    assert len(bill["billBatchCode"]) == 8
    assert len(bill["billNo"]) == 10
    assert len(bill["random"]) == 6
    picture = Image.open(io.BytesIO(base64.b64decode(bill["billQRCode"])))
    assert zxingcpp.read_barcodes(picture)[0].text == bill["pictureUrl"]

    assert "票据生成中" in httpx.get(bill["pictureUrl"], trust_env=False).text
    assert state(client, bill)["fileState"] == "0"
    simulators.clock.forward(seconds=2)
    shown = wait_for_picture(bill["pictureUrl"])
    assert "128.50" in shown
    assert "化验费" in shown
    assert "监制章" in shown
    assert state(client, bill)["fileState"] == "1"

    stranger = bill["pictureUrl"][:-6] + ("000000" if bill["random"] != "000000" else "000001")
    assert httpx.get(stranger, trust_env=False).status_code == 404


def wait_for_picture(url: str) -> str:
    def look() -> str:
        text = httpx.get(url, trust_env=False).text
        return "" if "票据生成中" in text else text

    return eventually(look)


def test_the_same_business_number_is_billed_once(client: Client) -> None:
    asked = outpatient()
    first = client.call(ISSUE, asked)
    again = client.call(ISSUE, {**asked, "unknownField": "passes unread"})
    assert named(again) == named(first)
    assert client.refused(ISSUE, {**asked, "payer": "李四"}) == "E0104"
    assert client.refused("invEBillRegistration", asked) == "E0104"
    found = client.call("getEBillByBusNo", {"busNo": asked["busNo"]})
    assert named(found) == named(first)
    assert client.refused("getEBillByBusNo", {"busNo": "never billed"}) == "E0201"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"totalAmt": "128.51"}, "E0103"),
        ({"totalAmt": "128.505"}, "E0101"),
        ({"totalAmt": "0"}, "E0101"),
        ({"totalAmt": "NaN"}, "E0101"),
        ({"selfCashPay": "28.50", "fundPay": "90.00", "accountPay": "10.01"}, "E0103"),
        ({"listDetail": [{"chargeCode": "09", "chargeName": "西药费", "name": "甲", "amt": "1"}]}, "E0103"),
        ({"placeCode": "999"}, "E0102"),
        ({"busDateTime": "2026-01-01 10:00"}, "E0101"),
        ({"busDateTime": "20991231235959000"}, "E0101"),
        ({"busDateTime": "20261399999999000"}, "E0101"),
        ({"chargeDetail": []}, "E0101"),
        ({"payer": ""}, "E0101"),
        ({"notifyUrl": "http://example.com/x"}, "E0101"),
    ],
)
def test_what_does_not_add_up_is_refused(client: Client, change: dict[str, Any], code: str) -> None:
    assert client.refused(ISSUE, outpatient(**change)) == code


def test_an_insured_bill_and_an_inpatient_bill_are_made(client: Client) -> None:
    shares = {"selfCashPay": "28.50", "fundPay": "90.00", "accountPay": 10.00, "otherfundPay": 0}
    outpatient_bill = issued(client, **shares)
    stay = {"caseNumber": "ZY1", "inHospitalDate": "2026-01-01", "outHospitalDate": "2026-01-05"}
    inpatient_bill = client.call("invEBillHospitalized", outpatient(**stay))
    assert inpatient_bill["billBatchCode"] != outpatient_bill["billBatchCode"]
    assert client.refused("invEBillHospitalized", outpatient()) == "E0101"


def test_only_the_right_application_is_believed_and_only_once(client: Client) -> None:
    asked = {"busNo": "nobody"}
    assert client.refused("getEBillByBusNo", asked, sign="0" * 32) == "E0003"
    assert client.refused("getEBillByBusNo", asked, appid="SIM0000000000") == "E0002"
    assert client.refused("getEBillByBusNo", asked, version="2.0") == "E0005"
    assert client.refused("noSuchService", asked) == "E0006"
    noise = "n" * 16
    assert client.refused("getEBillByBusNo", asked, noise=noise) == "E0003"
    data = client.envelope(asked)["data"]
    replayed = {"appid": client.card["appid"], "data": data, "noise": noise, "version": "1.0"}
    replayed["sign"] = signed(client.card, data, noise)
    assert client.believed(client.post("getEBillByBusNo", replayed))[0] == "E0201"
    assert client.believed(client.post("getEBillByBusNo", replayed))[0] == "E0004"
    assert client.believed(client.http.post(f"{client.card['api_url']}/x", content=b"{"))[0] == "E0001"


def test_a_bill_is_taken_back_once_and_the_kept_part_billed_anew(
    simulators: Simulators, client: Client
) -> None:
    before = simulators.control(FISCAL, "GET", "/book")["billed_fen"]
    bill = issued(client)
    red = client.call("writeOffEBill", taking_back(bill))
    told = state(client, bill)
    assert (told["state"], told["isScarlet"], told["scarletBillNo"]) == ("2", "1", red["eScarletBillNo"])
    assert client.refused("writeOffEBill", taking_back(bill)) == "E0202"
    red_name = {"billBatchCode": red["eScarletBillBatchCode"], "billNo": red["eScarletBillNo"]}
    assert client.refused("writeOffEBill", taking_back(red_name)) == "E0205"
    assert client.refused("writeOffEBill", taking_back({**bill, "billNo": "9999999999"})) == "E0201"

    kept = outpatient(totalAmt="25.00", chargeDetail=outpatient()["chargeDetail"][:1])
    client.call(ISSUE, kept)
    book = simulators.control(FISCAL, "GET", "/book")
    assert book["billed_fen"] - before == 2500
    simulators.clock.forward(seconds=2)
    assert "红字票据" in wait_for_picture(red["pictureUrl"])


def test_a_bill_on_paper_is_taken_back_only_after_the_sheet_came_back(client: Client) -> None:
    bill = issued(client)
    [batch] = client.call("getValidBillBatchCode", {"placeCode": "001"})
    assert batch["pBillBatchCode"] == client.card["paper_batch_code"]
    sheet = on_paper(client, bill)
    assert client.refused("turnPaper", {**sheet, "pBillNo": "0000999999"}) == "E0301"
    assert client.refused("turnPaper", {**sheet, "pBillBatchCode": bill["billBatchCode"]}) == "E0105"
    assert client.refused("reTurnPaper", sheet) == "E0206"
    assert client.call("turnPaper", sheet) == "成功"
    assert state(client, bill)["pBillNo"] == sheet["pBillNo"]
    assert client.refused("turnPaper", on_paper(client, bill)) == "E0203"
    assert client.refused("writeOffEBill", taking_back(bill)) == "E0203"

    second = on_paper(client, bill)
    client.call("reTurnPaper", second)
    assert client.refused("invalidPaper", voiding(sheet)) == "E0201"
    assert client.call("invalidPaper", voiding(second)) == "成功"
    assert state(client, bill)["isPrtPaper"] == "0"
    client.call("writeOffEBill", taking_back(bill))
    assert client.refused("turnPaper", on_paper(client, bill)) == "E0202"


def test_spoilt_blank_sheets_are_voided_in_order(client: Client) -> None:
    batch = client.card["paper_batch_code"]
    asked = {"placeCode": "001", "pBillBatchCode": batch}
    first = int(client.call("getPaperBillNo", asked)["pBillNo"])
    blank = {**asked, "author": "甲", "reason": "卡纸", "busDateTime": now_stamp()}
    span = {"pBillNoStart": f"{first:010d}", "pBillNoEnd": f"{first + 2:010d}"}
    ahead = {"pBillNoStart": f"{first + 1:010d}", "pBillNoEnd": f"{first + 2:010d}"}
    assert client.refused("invalidBlankBillNo", {**blank, **ahead}) == "E0301"
    client.call("invalidBlankBillNo", {**blank, **span})
    assert int(client.call("getPaperBillNo", asked)["pBillNo"]) == first + 3


def test_a_reimbursed_bill_stays(simulators: Simulators, client: Client) -> None:
    bill = issued(client)
    place = f"/bills/{bill['billBatchCode']}/{bill['billNo']}/reimbursement"
    simulators.control(FISCAL, "POST", place, reimbursed=True)
    assert state(client, bill)["reimburseState"] == "1"
    assert client.refused("writeOffEBill", taking_back(bill)) == "E0204"
    simulators.control(FISCAL, "POST", place, reimbursed=False)
    client.call("writeOffEBill", taking_back(bill))
    assert simulators.control_answer(FISCAL, "POST", place, reimbursed=True).status_code == 409


def test_numbers_run_out_and_come_back(simulators: Simulators, client: Client) -> None:
    code = issued(client)["billBatchCode"]
    simulators.control(FISCAL, "POST", "/stock", code=code, left=1)
    issued(client)
    asked = outpatient()
    assert client.refused(ISSUE, asked) == "E0105"
    assert client.refused("getEBillByBusNo", {"busNo": asked["busNo"]}) == "E0201"
    simulators.control(FISCAL, "POST", "/stock", code=code, left=1000)
    client.call(ISSUE, asked)
    assert simulators.control_answer(FISCAL, "POST", "/stock", code="x", left=1).status_code == 404


def test_a_day_is_compared(client: Client) -> None:
    asked = outpatient(busDateTime="20250506101112000")
    bill = client.call(ISSUE, asked)
    client.call("writeOffEBill", {**taking_back(bill), "busDateTime": "20250506120000000"})
    issued(client, busDateTime="20250506130000000")
    day = {"busBgnDate": "20250506000000000", "busEndDate": "20250506235959999"}
    assert client.call("checkTotalData", day) == {"copyNum": 3, "allTotalAmt": "128.50"}
    listed = client.call("getBillByBusDate", {**day, "pageNo": 1, "pageSize": 2})
    assert listed["total"] == 3
    assert [row["dataType"] for row in listed["billList"]] == ["1", "2"]
    assert listed["billList"][0]["busNo"] == asked["busNo"]


def test_whoever_asked_is_told_when_the_file_is_there(
    simulators: Simulators, client: Client, merchant: Merchant
) -> None:
    merchant.reply = b'{"result":"S0000"}'
    bill = issued(client, notifyUrl=merchant.url)
    simulators.clock.forward(seconds=2)
    [told] = merchant.wait(1)
    assert content_of(client, json.loads(told.body))["billNo"] == bill["billNo"]


@pytest.mark.sees(FISCAL)
@pytest.mark.parametrize("fault", ["tamper", "forge"])
def test_a_spoilt_notification_does_not_verify(
    simulators: Simulators, client: Client, merchant: Merchant, fault: str
) -> None:
    merchant.reply = b'{"result":"S0000"}'
    arm(simulators, fault)
    issued(client, notifyUrl=merchant.url)
    simulators.clock.forward(seconds=2)
    [told] = merchant.wait(1)
    envelope = json.loads(told.body)
    assert envelope["sign"] != signed(client.card, envelope["data"], envelope["noise"])


def content_of(client: Client, envelope: dict[str, str]) -> dict[str, Any]:
    assert envelope["sign"] == signed(client.card, envelope["data"], envelope["noise"])
    return json.loads(base64.b64decode(envelope["data"]))


@pytest.mark.sees(FISCAL, "file_stuck")
def test_the_stuck_file_stays_stuck(simulators: Simulators, client: Client) -> None:
    arm(simulators, "file_stuck")
    stuck, other = issued(client), issued(client)
    simulators.clock.forward(hours=1)
    wait_for_picture(other["pictureUrl"])
    assert state(client, stuck)["fileState"] == "0"


@pytest.mark.sees(FISCAL, "out_of_numbers")
def test_a_fault_leaves_no_number(simulators: Simulators, client: Client) -> None:
    arm(simulators, "out_of_numbers")
    asked = outpatient()
    assert client.refused(ISSUE, asked) == "E0105"
    client.call(ISSUE, asked)


@pytest.mark.sees(FISCAL)
@pytest.mark.parametrize("fault", ["forged_reply", "unsigned_reply", "tampered_reply"])
def test_a_spoilt_answer_does_not_verify(simulators: Simulators, client: Client, fault: str) -> None:
    arm(simulators, fault)
    reply = client.post(ISSUE, client.envelope(outpatient())).json()
    assert reply["sign"] != signed(client.card, reply["data"], reply["noise"])


@pytest.mark.sees(FISCAL)
@pytest.mark.parametrize(
    ("fault", "code", "happened"),
    [("error_before", "E9999", False), ("error_after", "E9999", True), ("busy", "E9998", False)],
)
def test_an_unknown_outcome_is_found_out_by_asking(
    simulators: Simulators, client: Client, fault: str, code: str, *, happened: bool
) -> None:
    arm(simulators, fault, endpoint=ISSUE)
    asked = outpatient()
    assert client.refused(ISSUE, asked) == code
    found = client.believed(client.post("getEBillByBusNo", client.envelope({"busNo": asked["busNo"]})))
    assert (found[0] == "S0000") is happened


def test_a_lost_answer_hides_a_bill_that_exists(simulators: Simulators, client: Client) -> None:
    asked = outpatient()
    arm(simulators, "lose_reply", reference=asked["busNo"])
    with pytest.raises(httpx.RemoteProtocolError):
        client.call(ISSUE, asked)
    found = client.call("getEBillByBusNo", {"busNo": asked["busNo"]})
    assert named(client.call(ISSUE, asked)) == named(found)

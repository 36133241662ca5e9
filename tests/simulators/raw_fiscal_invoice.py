"""A client of the fiscal platform written from the text of its interface: MD5 over a fixed order."""

import base64
import hashlib
import json
import secrets
from typing import Any

import httpx

from app.kernel.clock import LOCAL, wall
from tests.simulators.conftest import Simulators

FISCAL = "fiscal_invoice"


def signed(card: dict[str, str], data: str, noise: str) -> str:
    text = f"appid={card['appid']}&data={data}&noise={noise}&key={card['app_key']}&version=1.0"
    return hashlib.md5(text.encode()).hexdigest().upper()


class Client:
    """Believes only answers with the right signature."""

    def __init__(self, simulators: Simulators) -> None:
        self.http = simulators.http
        self.card = simulators.cards[FISCAL]

    def envelope(self, content: Any, **change: str) -> dict[str, str]:
        data = base64.b64encode(json.dumps(content, ensure_ascii=False).encode()).decode()
        noise = secrets.token_hex(16)
        return {
            "appid": self.card["appid"],
            "data": data,
            "noise": noise,
            "version": "1.0",
            "sign": signed(self.card, data, noise),
            **change,
        }

    def post(self, service: str, envelope: dict[str, str]) -> httpx.Response:
        return self.http.post(f"{self.card['api_url']}/{service}", json=envelope)

    def believed(self, answer: httpx.Response) -> tuple[str, Any]:
        """The code and the message of an answer that verifies."""
        assert answer.status_code == 200
        reply = answer.json()
        assert reply["sign"] == signed(self.card, reply["data"], reply["noise"])
        inner = json.loads(base64.b64decode(reply["data"]))
        message = base64.b64decode(inner["message"]).decode()
        if inner["result"] == "S0000" and message[:1] in "{[":
            return inner["result"], json.loads(message)
        return inner["result"], message

    def call(self, service: str, content: Any) -> Any:
        """What a call tells; anything but success fails the test."""
        code, told = self.believed(self.post(service, self.envelope(content)))
        assert code == "S0000", (code, told)
        return told

    def refused(self, service: str, content: Any, **change: str) -> str:
        """The code of a refusal, whose words are Chinese and verify."""
        code, told = self.believed(self.post(service, self.envelope(content, **change)))
        assert code != "S0000", told
        assert isinstance(told, str)
        return code


def now_stamp() -> str:
    return f"{wall().astimezone(LOCAL):%Y%m%d%H%M%S}000"


def outpatient(**change: Any) -> dict[str, Any]:
    """A bill over 128.50 yuan: a blood count and a drug."""
    charges = [
        {"sortNo": 1, "chargeCode": "04", "chargeName": "化验费", "unit": "项"}
        | {"std": "25.00", "number": 1, "amt": 25.00, "selfAmt": "0.00"},
        {"sortNo": 2, "chargeCode": "09", "chargeName": "西药费", "unit": "项"}
        | {"std": "103.50", "number": 1, "amt": "103.50", "selfAmt": "0.00"},
    ]
    return {
        "busNo": f"MZ{secrets.token_hex(8)}",
        "busType": "02",
        "payer": "张三",
        "busDateTime": now_stamp(),
        "placeCode": "001",
        "payee": "李收费",
        "author": "李收费",
        "checker": "王复核",
        "totalAmt": "128.50",
        "patientCategory": "呼吸内科",
        "chargeDetail": charges,
        **change,
    }


def issued(client: Client, **change: Any) -> dict[str, Any]:
    return client.call("invoiceEBillOutpatient", outpatient(**change))


def state(client: Client, bill: dict[str, Any]) -> dict[str, Any]:
    return client.call("getEBillStatesByBillInfo", named(bill))


def named(bill: dict[str, Any]) -> dict[str, str]:
    return {"billBatchCode": bill["billBatchCode"], "billNo": bill["billNo"]}


def taking_back(bill: dict[str, Any]) -> dict[str, str]:
    return {
        **named(bill),
        "reason": "退费",
        "operator": "李收费",
        "busDateTime": now_stamp(),
        "placeCode": "001",
    }


def on_paper(client: Client, bill: dict[str, Any]) -> dict[str, str]:
    """The request that puts a bill on the next sheet."""
    batch = client.card["paper_batch_code"]
    sheet = client.call("getPaperBillNo", {"placeCode": "001", "pBillBatchCode": batch})
    rest = {"operator": "李收费", "busDateTime": now_stamp(), "placeCode": "001"}
    return {**named(bill), "pBillBatchCode": batch, "pBillNo": sheet["pBillNo"], **rest}


def voiding(sheet: dict[str, str]) -> dict[str, str]:
    return {
        "pBillBatchCode": sheet["pBillBatchCode"],
        "pBillNo": sheet["pBillNo"],
        "placeCode": "001",
        "author": "李收费",
        "reason": "患者交回",
        "busDateTime": now_stamp(),
    }

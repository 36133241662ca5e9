"""Our Alipay, used by python-alipay-sdk: a client that nobody of this house wrote, in its own environment."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from app.kernel.clock import LOCAL, wall
from simulators.keys import PKCS1, new_key, private_pem, public_pem
from tests.simulators.conftest import Merchant, Received, Simulators
from tests.simulators.raw_alipay import ALI, new_payer, number

PYTHON = Path(sys.prefix) / "oracle/bin/python"
SCRIPT = Path(__file__).with_name("python_alipay_sdk.py")


class Refused(Exception):
    """The library raised; the first argument names what."""


class Sdk:
    """The library, at the other end of a pipe."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout

    def __call__(self, call: str, /, **arguments: Any) -> Any:
        self._in.write(json.dumps({"call": call, "with": arguments}) + "\n")
        self._in.flush()
        answer = json.loads(self._out.readline())
        if "raised" in answer:
            raise Refused(answer["raised"], answer["text"])
        return answer["told"]

    def believes(self, told: Received) -> bool:
        """Whether the library finds this notification signed by Alipay."""
        fields = dict(parse_qsl(told.body.decode(), keep_blank_values=True))
        signature = fields.pop("sign")
        return bool(self("verify", data=fields, signature=signature))


@contextmanager
def running(card: Path, notify_url: str) -> Iterator[Sdk]:
    assert PYTHON.exists(), "the environment of python-alipay-sdk is missing: make setup"
    process = subprocess.Popen(
        [PYTHON, SCRIPT, card, notify_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Sdk(process)
    finally:
        process.communicate(timeout=10)


@pytest.fixture
def sdk(simulators: Simulators, merchant: Merchant) -> Iterator[Sdk]:
    with running(simulators.folder / "alipay.json", merchant.url) as made:
        yield made


def pay(simulators: Simulators, payer: str, **how: Any) -> dict[str, Any]:
    return simulators.control(ALI, "POST", f"/payers/{payer}/payments", **how)


def created(simulators: Simulators, sdk: Sdk) -> tuple[str, str]:
    """A paid trade's number, and who paid it."""
    out_trade_no, payer = number(), new_payer(simulators)["user_id"]
    told = sdk(
        "api_alipay_trade_create",
        subject="门诊缴费",
        out_trade_no=out_trade_no,
        total_amount="20.00",
        buyer_id=payer,
        product_code="JSAPI_PAY",
    )
    assert told["code"] == "10000", told
    pay(simulators, payer, pay_params={"tradeNO": told["trade_no"]})
    return out_trade_no, payer


def test_it_creates_hears_queries_and_refunds(simulators: Simulators, merchant: Merchant, sdk: Sdk) -> None:
    out_trade_no, payer = created(simulators, sdk)
    [told] = merchant.wait(1)
    assert sdk.believes(told)
    found = sdk("api_alipay_trade_query", out_trade_no=out_trade_no)
    assert (found["trade_status"], found["buyer_user_id"]) == ("TRADE_SUCCESS", payer)
    part = {"out_trade_no": out_trade_no, "refund_amount": "5.00", "out_request_no": "part-1"}
    assert sdk("api_alipay_trade_refund", **part)["fund_change"] == "Y"
    assert sdk("api_alipay_trade_refund", **part)["fund_change"] == "N"
    asked = {"out_trade_no": out_trade_no, "out_request_no": "part-1"}
    assert sdk("api_alipay_trade_fastpay_refund_query", **asked)["refund_status"] == "REFUND_SUCCESS"
    assert all(sdk.believes(received) for received in merchant.wait(2))


def test_the_key_s_other_form_is_the_same_key(
    simulators: Simulators, merchant: Merchant, tmp_path: Path
) -> None:
    pkcs8 = simulators.cards[ALI]["merchant_private_key_pkcs8_path"]
    with running(changed(simulators, tmp_path, merchant_private_key_path=pkcs8), merchant.url) as sdk:
        out_trade_no, _payer = created(simulators, sdk)
        assert sdk("api_alipay_trade_query", out_trade_no=out_trade_no)["code"] == "10000"


def test_a_code_of_its_making_is_scanned_and_paid(
    simulators: Simulators, merchant: Merchant, sdk: Sdk
) -> None:
    out_trade_no, payer = number(), new_payer(simulators)["user_id"]
    order = {"subject": "住院预交金", "out_trade_no": out_trade_no, "total_amount": "500.00"}
    code = sdk("api_alipay_trade_precreate", **order)["qr_code"]
    assert sdk("api_alipay_trade_query", out_trade_no=out_trade_no)["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    pay(simulators, payer, qr_code=code)
    assert sdk("api_alipay_trade_query", out_trade_no=out_trade_no)["trade_status"] == "TRADE_SUCCESS"
    assert sdk.believes(merchant.wait(1)[0])


def test_it_charges_a_payment_code_and_takes_it_back(
    simulators: Simulators, merchant: Merchant, sdk: Sdk
) -> None:
    out_trade_no, payer = number(), new_payer(simulators)["user_id"]
    code = simulators.control(ALI, "POST", f"/payers/{payer}/payment-codes")["auth_code"]
    order = {"out_trade_no": out_trade_no, "scene": "bar_code", "subject": "缴费", "total_amount": "38.00"}
    told = sdk("api_alipay_trade_pay", auth_code=code, **order)
    assert (told["code"], told["buyer_pay_amount"]) == ("10000", "38.00"), told
    assert sdk.believes(merchant.wait(1)[0])
    again = {**order, "out_trade_no": number()}
    assert sdk("api_alipay_trade_pay", auth_code=code, **again)["sub_code"] == "ACQ.PAYMENT_AUTH_CODE_INVALID"
    assert sdk("api_alipay_trade_cancel", out_trade_no=out_trade_no)["action"] == "refund"


def test_it_finds_the_bill_of_a_day(simulators: Simulators, sdk: Sdk) -> None:
    created(simulators, sdk)
    day = f"{wall().astimezone(LOCAL):%Y-%m-%d}"
    asked = {"bill_type": "trade", "bill_date": day}
    find = "alipay.data.dataservice.bill.downloadurl.query"
    assert sdk("server_api", api_name=find, biz_content=asked)["code"] == "40004"
    simulators.control(ALI, "POST", f"/days/{day}/close")
    told = sdk("server_api", api_name=find, biz_content=asked)
    assert simulators.http.get(told["bill_download_url"]).content.startswith(b"PK")


def test_it_closes_what_waits_and_cancels_what_is_paid(simulators: Simulators, sdk: Sdk) -> None:
    waiting, payer = number(), new_payer(simulators)["user_id"]
    sdk(
        "api_alipay_trade_create",
        subject="挂号",
        out_trade_no=waiting,
        total_amount="1.00",
        buyer_id=payer,
        product_code="JSAPI_PAY",
    )
    assert sdk("api_alipay_trade_close", out_trade_no=waiting)["out_trade_no"] == waiting
    assert sdk("api_alipay_trade_query", out_trade_no=waiting)["trade_status"] == "TRADE_CLOSED"
    done, _payer = created(simulators, sdk)
    assert sdk("api_alipay_trade_cancel", out_trade_no=done)["action"] == "refund"


def test_with_a_wrong_key_of_its_own_nothing_is_done(
    simulators: Simulators, merchant: Merchant, sdk: Sdk, tmp_path: Path
) -> None:
    out_trade_no, _payer = created(simulators, sdk)
    private = tmp_path / "strange.pem"
    private.write_bytes(private_pem(new_key(), PKCS1))
    strange = changed(simulators, tmp_path, merchant_private_key_path=str(private))
    with running(strange, merchant.url) as stranger:
        told = stranger("api_alipay_trade_close", out_trade_no=out_trade_no)
        assert told["sub_code"] == "isv.invalid-signature"


def test_with_a_wrong_key_of_ours_it_believes_nothing(
    simulators: Simulators, merchant: Merchant, sdk: Sdk, tmp_path: Path
) -> None:
    out_trade_no, _payer = created(simulators, sdk)
    public = tmp_path / "strange.pem"
    public.write_bytes(public_pem(new_key()))
    strange = changed(simulators, tmp_path, platform_public_key_path=str(public))
    with running(strange, merchant.url) as deceived:
        with pytest.raises(Refused, match="AliPayValidationError"):
            deceived("api_alipay_trade_query", out_trade_no=out_trade_no)
        [told] = merchant.wait(1)
        assert not deceived.believes(told)
    assert sdk.believes(told)


@pytest.mark.parametrize("fault", ["tampered_reply", "forged_reply"])
def test_it_sees_a_reply_that_is_not_the_platform_s(simulators: Simulators, sdk: Sdk, fault: str) -> None:
    out_trade_no, _payer = created(simulators, sdk)
    simulators.control(ALI, "POST", "/faults", name=fault, reference=out_trade_no)
    with pytest.raises(Refused, match="AliPayValidationError"):
        sdk("api_alipay_trade_query", out_trade_no=out_trade_no)
    assert sdk("api_alipay_trade_query", out_trade_no=out_trade_no)["code"] == "10000"


@pytest.mark.parametrize("fault", ["tamper", "forge"])
def test_it_sees_a_notification_that_is_not_the_platform_s(
    simulators: Simulators, merchant: Merchant, sdk: Sdk, fault: str
) -> None:
    simulators.control(ALI, "POST", "/faults", name=fault)
    created(simulators, sdk)
    [bad] = merchant.wait(1)
    assert not sdk.believes(bad)
    simulators.control(ALI, "POST", "/notices/hurry")


def changed(simulators: Simulators, folder: Path, **values: str) -> Path:
    """The card with other values, in a file of its own."""
    path = folder / "card.json"
    path.write_text(json.dumps({**simulators.cards[ALI], **values}))
    return path

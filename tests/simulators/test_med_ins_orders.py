"""Placing orders of insurance and cash: which fields and sums the platform takes, and who may pay."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.simulators.conftest import Simulators
from tests.simulators.raw_med_ins import (
    CASH,
    ID_DIGEST,
    ID_NUMBER,
    INSURED,
    MIXED,
    NAME,
    ORDERS,
    Hospital,
    bureau_at,
    states,
)
from tests.simulators.raw_wechat_pay import WX, native, number
from tests.simulators.test_abnormal_refunds import public_key, sealed


@pytest.fixture
def hospital(simulators: Simulators) -> Iterator[Hospital]:
    with bureau_at(simulators, None):
        yield Hospital(simulators)


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        (MIXED, ("MIX_PAY_CREATED", "SELF_PAY_CREATED", "MED_INS_PAY_CREATED")),
        (INSURED, ("MIX_PAY_CREATED", "NO_SELF_PAY", "MED_INS_PAY_CREATED")),
        (CASH, ("MIX_PAY_CREATED", "SELF_PAY_CREATED", "NO_MED_INS_PAY")),
    ],
    ids=["mixed", "insured", "cash"],
)
def test_each_kind_is_placed_and_found_by_both_numbers(
    hospital: Hospital, shape: dict[str, Any], wanted: tuple[str, str, str]
) -> None:
    asked = hospital.asked(shape)
    placed = hospital.place(asked).json()
    assert states(placed) == wanted
    assert {k: v for k, v in asked.items() if k != "payer"}.items() <= placed.items()
    assert "payer" not in placed
    assert hospital.query(placed) == placed
    path = f"{ORDERS}/out-trade-no/{asked['out_trade_no']}"
    assert hospital.raw.call("GET", path).json() == placed


def test_an_unknown_order_is_not_found_and_a_known_number_taken(hospital: Hospital) -> None:
    asked = hospital.asked()
    missing = hospital.raw.call("GET", f"{ORDERS}/out-trade-no/{asked['out_trade_no']}")
    assert (missing.status_code, missing.json()["code"]) == (404, "NOT_FOUND")
    assert missing.headers["Request-ID"].endswith("-268529515")
    assert hospital.raw.call("GET", f"{ORDERS}/mix-trade-no/{'2' * 30}").status_code == 404
    assert hospital.place(asked).status_code == 200
    again = hospital.place(asked)
    assert (again.status_code, again.json()["code"]) == (400, "ALREADY_EXISTS")


@pytest.mark.parametrize(
    ("shape", "change", "status", "code"),
    [
        (MIXED, {"total_fee": 202_001}, 403, "RULE_LIMIT"),
        (MIXED, {"med_ins_cash_fee": 50_001}, 403, "RULE_LIMIT"),
        (MIXED, {"cash_reduce_detail": None}, 403, "RULE_LIMIT"),
        (MIXED, {"pay_auth_no": None}, 403, "RULE_LIMIT"),
        (MIXED, {"med_ins_other_fee": None}, 403, "RULE_LIMIT"),
        (MIXED, {"prepay_id": None}, 403, "RULE_LIMIT"),
        (INSURED, {"prepay_id": "wx2026"}, 403, "RULE_LIMIT"),
        (INSURED, {"wechat_pay_cash_fee": 1}, 403, "RULE_LIMIT"),
        (INSURED, {"geo_location": None}, 403, "RULE_LIMIT"),
        (CASH, {"pay_order_id": "ORD1"}, 403, "RULE_LIMIT"),
        (CASH, {"med_ins_gov_fee": 1, "total_fee": 3_001}, 403, "RULE_LIMIT"),
        (CASH, {"med_ins_cash_fee": 3_000, "cash_add_detail": None}, 403, "RULE_LIMIT"),
        (MIXED, {"mix_pay_type": "UNKNOWN_MIX_PAY_TYPE"}, 400, "PARAM_ERROR"),
        (MIXED, {"order_type": "REG"}, 400, "PARAM_ERROR"),
        (MIXED, {"total_fee": 2020.5}, 400, "PARAM_ERROR"),
        (MIXED, {"attach": ""}, 400, "PARAM_ERROR"),
        (MIXED, {"geo_location": "昆明"}, 400, "PARAM_ERROR"),
        (MIXED, {"med_ins_order_create_time": "2026-05-20 13:29:35"}, 400, "PARAM_ERROR"),
        (MIXED, {"callback_url": "https://hospital.example/?a=1"}, 400, "PARAM_ERROR"),
        (MIXED, {"pay_for_relatives": True}, 400, "PARAM_ERROR"),
        (MIXED, {"openid": "o" + "9" * 27}, 400, "PARAM_ERROR"),
        (MIXED, {"prepay_id": "wx2026"}, 400, "PARAM_ERROR"),
        (MIXED, {"appid": "wx0000000000000000"}, 400, "APPID_MCHID_NOT_MATCH"),
    ],
)
def test_what_does_not_go_together_is_refused(
    hospital: Hospital, shape: dict[str, Any], change: dict[str, Any], status: int, code: str
) -> None:
    asked = hospital.asked(shape)
    spoilt = {k: v for k, v in {**asked, **change}.items() if v is not None}
    answer = hospital.place(spoilt)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert hospital.place(asked).status_code == 200


def test_the_cash_order_must_be_the_same_amount_and_unpaid(hospital: Hospital) -> None:
    asked = hospital.asked(CASH)
    more = {
        "wechat_pay_cash_fee": 3_001,
        "total_fee": 3_001,
        "cash_add_detail": [{"cash_add_fee": 3_001, "cash_add_type": "FREIGHT"}],
    }
    dearer = hospital.place({**asked, **more})
    assert (dearer.status_code, dearer.json()["code"]) == (403, "RULE_LIMIT")
    closing = f"/v3/pay/transactions/out-trade-no/{asked['out_trade_no']}/close"
    assert hospital.raw.call("POST", closing, {"mchid": hospital.raw.card["mchid"]}).status_code == 204
    assert hospital.place(asked).json()["code"] == "ORDER_CLOSED"
    late = hospital.asked(CASH)
    hospital.simulators.clock.forward(hours=2)
    assert hospital.place(late).json()["code"] == "ORDER_CLOSED"


def test_names_and_digests_must_be_sealed_for_the_platform(hospital: Hospital) -> None:
    asked = hospital.asked()
    key = public_key(hospital.raw)
    plain = {"name": NAME, "id_digest": ID_DIGEST}
    certificate = x509.load_pem_x509_certificate(
        Path(hospital.raw.card["platform_certificate_path"]).read_bytes()
    )
    other_key = {k: sealed(certificate.public_key(), v) for k, v in plain.items()}
    for person in (plain, other_key, {**asked["payer"], "id_digest": sealed(key, ID_NUMBER)}):
        spoilt = {**asked, "payer": {"card_type": "ID_CARD", **person}}
        refused = hospital.place(spoilt)
        assert (refused.status_code, refused.json()["code"]) == (400, "PARAM_ERROR")
        assert refused.json()["detail"]["field"].startswith("/payer/")
    assert hospital.place(asked, serial="").json()["detail"]["field"] == "Wechatpay-Serial"
    by_certificate = {**asked, "payer": {"card_type": "ID_CARD", **other_key}}
    serial = hospital.raw.card["platform_certificate_serial"]
    assert hospital.place(by_certificate, serial=serial).status_code == 200


def test_the_payer_must_own_the_credential_bound_to_the_phone(
    hospital: Hospital, simulators: Simulators
) -> None:
    path = f"/payers/{hospital.openid}/medical-credential"
    bound = simulators.control(WX, "POST", path, name="李四", id_number=ID_NUMBER)
    assert bound["id_digest"] == ID_DIGEST
    asked = hospital.asked()
    assert hospital.place(asked).json()["code"] == "INVALID_REQUEST"
    simulators.control(WX, "POST", path, name=NAME, id_number="11010519491231002X")
    assert "身份ID摘要" in hospital.place(asked).json()["message"]
    simulators.control(WX, "POST", path, name=NAME, id_number=ID_NUMBER)
    assert hospital.place(asked).status_code == 200


def test_paying_for_a_relative_needs_the_relative_sealed_too(hospital: Hospital) -> None:
    asked = hospital.asked(pay_for_relatives=True)
    relative = {**asked["payer"], "name": "王五"}
    assert hospital.place({**asked, "relative": relative}).json()["detail"]["field"] == "/relative/name"
    placed = hospital.place({**asked, "relative": asked["payer"]}).json()
    assert placed["pay_for_relatives"] is True
    assert "relative" not in placed


def test_an_order_nobody_pays_fails_with_its_prepay_id(hospital: Hospital) -> None:
    mixed, insured = hospital.placed(), hospital.placed(INSURED)
    hospital.simulators.clock.forward(minutes=119)
    assert hospital.states(mixed)[0] == "MIX_PAY_CREATED"
    hospital.simulators.clock.forward(minutes=2)
    assert hospital.states(mixed) == ("MIX_PAY_FAIL", "SELF_PAY_FAIL", "MED_INS_PAY_FAIL")
    assert hospital.states(insured) == ("MIX_PAY_FAIL", "NO_SELF_PAY", "MED_INS_PAY_FAIL")
    assert hospital.query(insured)["med_ins_fail_reason"]
    assert hospital.phone(mixed).json()["code"] == "ORDER_CLOSED"


def test_closing_the_cash_order_ends_the_mixed_one(hospital: Hospital) -> None:
    order, other = hospital.placed(), hospital.placed()
    closing = f"/v3/pay/transactions/out-trade-no/{order['out_trade_no']}/close"
    assert hospital.raw.call("POST", closing, {"mchid": hospital.raw.card["mchid"]}).status_code == 204
    assert hospital.states(order)[0] == "MIX_PAY_FAIL"
    assert hospital.states(other)[0] == "MIX_PAY_CREATED"


def test_a_native_order_is_no_cash_share(hospital: Hospital, simulators: Simulators) -> None:
    asked = hospital.asked(CASH)
    order = {
        "appid": asked["appid"],
        "mchid": hospital.raw.card["mchid"],
        "description": "门诊缴费",
        "out_trade_no": number(),
        "notify_url": simulators.merchant.url,
        "amount": {"total": 3_000},
    }
    assert native(hospital.raw, order).status_code == 200
    refused = hospital.place({**asked, "out_trade_no": order["out_trade_no"]})
    assert refused.json()["detail"]["field"] == "/prepay_id"

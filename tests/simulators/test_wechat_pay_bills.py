"""WeChat Pay's bills: who may have them, when, and that they say what the book says."""

import gzip
import hashlib
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.simulators.business_days import a_new_day, close, fen, move_to, today, totals
from tests.simulators.conftest import Simulators
from tests.simulators.raw_wechat_pay import WX, Raw, number, paid, refund
from tests.simulators.test_wechat_pay_client import client_of

MARK = b"\xef\xbb\xbf"


@pytest.fixture
def raw(simulators: Simulators) -> Raw:
    return Raw(simulators)


def ask(raw: Raw, day: date, kind: str = "ALL", **more: str) -> httpx.Response:
    query = "".join(f"&{name}={value}" for name, value in more.items())
    return raw.call("GET", f"/v3/bill/tradebill?bill_date={day}&bill_type={kind}{query}")


def funds(raw: Raw, day: date, account: str = "BASIC") -> httpx.Response:
    return raw.call("GET", f"/v3/bill/fundflowbill?bill_date={day}&account_type={account}")


def download(raw: Raw, offered: httpx.Response) -> httpx.Response:
    assert offered.status_code == 200, offered.text
    parts = urlsplit(offered.json()["download_url"])
    assert f"{parts.scheme}://{parts.netloc}" == raw.card["base_url"]
    return raw.call("GET", f"{parts.path}?{parts.query}")


class Sheet:
    """A bill as an honest reader takes it apart, by the names of its columns."""

    def __init__(self, content: bytes) -> None:
        assert content.startswith(MARK)
        *lines, nothing = content[3:].decode().split("\r\n")
        assert nothing == ""
        *head, sums_head, sums = lines
        self.columns = head[0].split(",")
        self.rows = [self._values(line, self.columns) for line in head[1:]]
        self.sums = self._values(sums, sums_head.split(","))

    @staticmethod
    def _values(line: str, names: list[str]) -> dict[str, str]:
        values = line.split(",")
        assert all(value.startswith("`") for value in values)
        return dict(zip(names, (value[1:] for value in values), strict=True))


def sheet(raw: Raw, offered: httpx.Response) -> Sheet:
    return Sheet(download(raw, offered).content)


def an_eventful_day(simulators: Simulators, raw: Raw) -> tuple[date, dict[str, Any], dict[str, Any]]:
    """Two payments, one of them half given back; one order nobody pays. It is past nine the next day."""
    day = a_new_day(simulators)
    whole = paid(simulators, raw, amount={"total": 1234}, description="挂号,内科", attach="a\nb")
    halved = paid(simulators, raw, amount={"total": 1000})
    raw.call("POST", "/v3/pay/transactions/native", {**whole, "out_trade_no": number()})
    assert refund(raw, halved, 500, out_refund_no=f"R{halved['out_trade_no']}").status_code == 200
    move_to(simulators, day + timedelta(days=1), 9)
    return day, whole, halved


def test_a_bill_says_what_the_book_says(simulators: Simulators, raw: Raw) -> None:
    day, whole, halved = an_eventful_day(simulators, raw)
    bill = sheet(raw, ask(raw, day))
    assert len(bill.columns) == 27
    assert [row["商户订单号"] for row in bill.rows if row["交易状态"] == "SUCCESS"] == [
        whole["out_trade_no"],
        halved["out_trade_no"],
    ]
    [back] = [row for row in bill.rows if row["交易状态"] == "REFUND"]
    assert (back["商户订单号"], back["商户退款单号"]) == (
        halved["out_trade_no"],
        f"R{halved['out_trade_no']}",
    )
    assert (back["申请退款金额"], back["退款金额"], back["订单金额"]) == ("5.00", "5.00", "0.00")
    assert bill.rows[0]["商品名称"] == "挂号\\ 内科"
    assert bill.rows[0]["商户数据包"] == "a\\nb"
    assert bill.rows[0]["交易时间"].startswith(f"{day} 10:00")
    shown = totals(simulators, WX, day)
    assert shown["book"] == shown["bill"]
    assert sum(fen(row["订单金额"]) for row in bill.rows) == fen(bill.sums["订单总金额"]) == 2234
    assert (shown["book"]["paid_fen"], shown["book"]["refund_fen"]) == (2234, 500)
    assert fen(bill.sums["申请退款总金额"]) == 500
    assert bill.sums["总交易单数"] == "3"


def test_each_kind_has_its_own_columns(simulators: Simulators, raw: Raw) -> None:
    day, *_ = an_eventful_day(simulators, raw)
    success, back = sheet(raw, ask(raw, day, "SUCCESS")), sheet(raw, ask(raw, day, "REFUND"))
    assert (len(success.columns), len(success.rows), len(success.sums)) == (20, 2, 4)
    assert (len(back.columns), len(back.rows), len(back.sums)) == (29, 1, 7)
    assert back.rows[0]["退款申请时间"].startswith(str(day))
    default = raw.call("GET", f"/v3/bill/tradebill?bill_date={day}")
    assert len(sheet(raw, default).columns) == 27


def test_money_moves_are_told_with_the_balance(simulators: Simulators, raw: Raw) -> None:
    simulators.control(WX, "POST", "/fee-rate", basis_points=60)
    day, whole, halved = an_eventful_day(simulators, raw)
    simulators.control(WX, "POST", "/fee-rate", basis_points=0)
    told = sheet(raw, funds(raw, day))
    assert [(row["业务类型"], row["收支类型"], row["收支金额(元)"]) for row in told.rows] == [
        ("交易", "收入", "12.34"),
        ("扣除交易手续费", "支出", "0.07"),
        ("交易", "收入", "10.00"),
        ("扣除交易手续费", "支出", "0.06"),
        ("退款", "支出", "4.97"),
    ]
    assert told.rows[-1]["备注"] == "退款总金额5.00元;含手续费0.03元"
    balance = simulators.control(WX, "GET", "/book")["merchant"]["balance_fen"]
    assert fen(told.rows[-1]["账户结余(元)"]) == balance
    assert told.sums == {
        "资金流水总笔数": "5",
        "收入笔数": "2",
        "收入金额": "22.34",
        "支出笔数": "3",
        "支出金额": "5.10",
    }
    bill = sheet(raw, ask(raw, day))
    assert [row["手续费"] for row in bill.rows] == ["0.07000", "0.06000", "-0.03000"]
    assert {row["费率"] for row in bill.rows} == {"0.60%"}
    assert bill.sums["手续费总金额"] == "0.10000"
    assert totals(simulators, WX, day)["bill"]["fee_fen"] == 10
    assert [whole["amount"]["total"], halved["amount"]["total"]] == [1234, 1000]


def test_a_trade_given_back_in_parts_has_cost_nothing(simulators: Simulators, raw: Raw) -> None:
    simulators.control(WX, "POST", "/fee-rate", basis_points=100)
    order = paid(simulators, raw, amount={"total": 999})
    simulators.control(WX, "POST", "/fee-rate", basis_points=0)
    before = simulators.control(WX, "GET", "/book")["merchant"]
    for part in (333, 333, 333):
        assert refund(raw, order, part).status_code == 200
        simulators.clock.forward(minutes=2)
    after = simulators.control(WX, "GET", "/book")["merchant"]
    assert before["fee_fen"] - after["fee_fen"] == 10
    assert before["balance_fen"] - after["balance_fen"] == 989
    assert after["net_fen"] == after["balance_fen"]


def test_a_closed_refund_owes_its_fee_again(simulators: Simulators, raw: Raw) -> None:
    simulators.control(WX, "POST", "/fee-rate", basis_points=100)
    order = paid(simulators, raw, amount={"total": 1000})
    simulators.control(WX, "POST", "/fee-rate", basis_points=0)
    before = simulators.control(WX, "GET", "/book")["merchant"]
    day = today(simulators)
    simulators.control(WX, "POST", "/faults", name="refund_stuck", reference=order["out_trade_no"])
    assert refund(raw, order, 1000, out_refund_no=order["out_trade_no"]).status_code == 200
    path = f"/refunds/{order['out_trade_no']}/outcome"
    simulators.control(WX, "POST", path, status="CLOSED")
    after = simulators.control(WX, "GET", "/book")["merchant"]
    assert all(after[name] == before[name] for name in ("fee_fen", "balance_fen"))
    move_to(simulators, day + timedelta(days=1), 9)
    kinds = [row["业务类型"] for row in sheet(raw, funds(raw, day)).rows]
    assert kinds[-2:] == ["退款", "退款关闭"]
    assert sheet(raw, ask(raw, day, "REFUND")).rows[-1]["退款状态"] == "FAIL"
    shown = totals(simulators, WX, day)
    assert shown["book"] == shown["bill"]


def test_accounts_without_moves_and_days_without_trades_have_no_bill(
    simulators: Simulators, raw: Raw
) -> None:
    day, *_ = an_eventful_day(simulators, raw)
    empty = a_new_day(simulators)
    move_to(simulators, empty + timedelta(days=1), 12)
    answers = [funds(raw, day, "OPERATION"), funds(raw, day, "FEES"), ask(raw, empty), funds(raw, empty)]
    assert {(a.status_code, a.json()["code"]) for a in answers} == {(400, "NO_STATEMENT_EXIST")}
    assert ask(raw, day).status_code == 200


def test_a_bill_opens_at_nine_unless_closed_by_hand(simulators: Simulators, raw: Raw) -> None:
    day = a_new_day(simulators)
    paid(simulators, raw)
    assert ask(raw, day).json()["message"] == "账单日期格式不正确"
    move_to(simulators, day + timedelta(days=1), 8, 59)
    assert ask(raw, day).json()["code"] == "STATEMENT_CREATING"
    assert totals(simulators, WX, day)["bill"] is None
    assert close(simulators, WX, day)["is_final"]
    assert ask(raw, day).status_code == 200


def test_a_bill_is_frozen_when_it_is_made(simulators: Simulators, raw: Raw) -> None:
    day = a_new_day(simulators, 23)
    order = paid(simulators, raw, amount={"total": 800})
    simulators.control(WX, "POST", "/faults", name="refund_stuck", reference=order["out_trade_no"])
    refund_no = number()
    refund(raw, order, 800, out_refund_no=refund_no)
    move_to(simulators, day + timedelta(days=1), 10)
    first = download(raw, ask(raw, day)).content
    assert Sheet(first).rows[-1]["退款状态"] == "PROCESSING"
    simulators.control(WX, "POST", f"/refunds/{refund_no}/outcome", status="SUCCESS")
    close(simulators, WX, day)
    assert download(raw, ask(raw, day)).content == first


def test_a_running_day_closed_by_hand_is_made_again_when_over(simulators: Simulators, raw: Raw) -> None:
    day = a_new_day(simulators)
    first = paid(simulators, raw)
    assert not close(simulators, WX, day)["is_final"]
    assert [r["商户订单号"] for r in sheet(raw, ask(raw, day)).rows] == [first["out_trade_no"]]
    second = paid(simulators, raw)
    move_to(simulators, day + timedelta(days=1), 9)
    both = {r["商户订单号"] for r in sheet(raw, ask(raw, day)).rows}
    assert both == {first["out_trade_no"], second["out_trade_no"]}
    future = today(simulators) + timedelta(days=2)
    refused = simulators.control_answer(WX, "POST", f"/days/{future}/close")
    assert (refused.status_code, refused.json()["code"]) == (409, "NOT_BEGUN")
    assert simulators.control_answer(WX, "GET", "/days/yesterday").json()["code"] == "DATE_INVALID"


def test_a_refund_stands_on_the_day_it_began(simulators: Simulators, raw: Raw) -> None:
    day = a_new_day(simulators, 23)
    order = paid(simulators, raw, amount={"total": 700})
    next_day = a_new_day(simulators, 0)
    refund(raw, order, 700)
    move_to(simulators, next_day + timedelta(days=1), 10)
    assert [row["交易状态"] for row in sheet(raw, ask(raw, day)).rows] == ["SUCCESS"]
    assert [row["交易状态"] for row in sheet(raw, ask(raw, next_day)).rows] == ["REFUND"]
    assert ask(raw, next_day, "SUCCESS").json()["code"] == "NO_STATEMENT_EXIST"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("bill_type=ALL", "PARAM_ERROR"),
        ("bill_date=20261123x", "PARAM_ERROR"),
        ("bill_date={day}&bill_type=SOME", "PARAM_ERROR"),
        ("bill_date={day}&tar_type=ZIP", "PARAM_ERROR"),
        ("bill_date={basic}", "PARAM_ERROR"),
        ("bill_date=2026-W47-1", "PARAM_ERROR"),
        ("bill_date=9999-12-31", "PARAM_ERROR"),
        ("bill_date=2999-12-31", "INVALID_REQUEST"),
        ("bill_date={tomorrow}", "INVALID_REQUEST"),
        ("bill_date={old}", "INVALID_REQUEST"),
    ],
)
def test_an_impossible_question_is_refused(simulators: Simulators, raw: Raw, query: str, code: str) -> None:
    now = today(simulators)
    asked = query.format(
        day=now - timedelta(days=1),
        basic=f"{now - timedelta(days=1):%Y%m%d}",
        tomorrow=now + timedelta(days=1),
        old=now - timedelta(days=93),
    )
    answer = raw.call("GET", f"/v3/bill/tradebill?{asked}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_the_link_lives_thirty_seconds_and_wants_a_signature(simulators: Simulators, raw: Raw) -> None:
    day, *_ = an_eventful_day(simulators, raw)
    offered = ask(raw, day)
    url = offered.json()["download_url"]
    simulators.clock.forward(seconds=20)
    got = download(raw, offered)
    assert got.status_code == 200
    assert not [name for name in got.headers if name.startswith("wechatpay")]
    assert simulators.http.get(url).json()["code"] == "SIGN_ERROR"
    assert raw.call("GET", urlsplit(url).path + "?token=guess").json()["message"] == "下载链接不合法"
    simulators.clock.forward(seconds=11)
    late = download(raw, offered)
    assert (late.status_code, late.json()["code"]) == (400, "INVALID_REQUEST")


def test_the_hash_is_of_the_plain_file(simulators: Simulators, raw: Raw) -> None:
    day, *_ = an_eventful_day(simulators, raw)
    plain, packed = ask(raw, day), ask(raw, day, tar_type="GZIP")
    content = download(raw, plain).content
    sealed = download(raw, packed).content
    assert sealed[:2] == b"\x1f\x8b"
    assert gzip.decompress(sealed) == content
    told = {(a.json()["hash_type"], a.json()["hash_value"]) for a in (plain, packed)}
    assert told == {("SHA1", hashlib.sha1(content, usedforsecurity=False).hexdigest())}


def test_a_client_nobody_here_wrote_takes_both_bills(
    simulators: Simulators, raw: Raw, tmp_path: Path
) -> None:
    day, *_ = an_eventful_day(simulators, raw)
    client = client_of(simulators, tmp_path)
    for asked, columns in ((client.trade_bill, 27), (client.fundflow_bill, 11)):
        code, told = asked(bill_date=str(day))
        assert code == 200, told
        offered = json.loads(told)
        code, content = client.download_bill(offered["download_url"])
        assert code == 200
        plain = gzip.decompress(content)
        assert hashlib.sha1(plain, usedforsecurity=False).hexdigest() == offered["hash_value"]
        assert len(Sheet(plain).columns) == columns


@pytest.mark.sees(WX)
@pytest.mark.parametrize(
    ("fault", "difference"),
    [("bill_missing_row", -1234), ("bill_extra_row", 1234), ("bill_wrong_amount", 1), ("", 0)],
)
def test_a_bill_can_lie(simulators: Simulators, raw: Raw, fault: str, difference: int) -> None:
    day = a_new_day(simulators)
    paid(simulators, raw, amount={"total": 300})
    told = paid(simulators, raw, amount={"total": 1234})
    if fault:
        simulators.control(WX, "POST", "/faults", name=fault, reference=told["out_trade_no"])
    move_to(simulators, day + timedelta(days=1), 10)
    bill = sheet(raw, ask(raw, day))
    shown = totals(simulators, WX, day)
    assert fen(bill.sums["订单总金额"]) == 1534 + difference == shown["bill"]["paid_fen"]
    assert shown["book"]["paid_fen"] == 1534
    assert sum(fen(row["订单金额"]) for row in bill.rows) == 1534 + difference
    strangers = [row for row in bill.rows if row["商户订单号"].startswith("X")]
    assert len(strangers) == (fault == "bill_extra_row")


@pytest.mark.sees(WX, "bill_late", "bill_bad_hash", "bill_link_expired", "bill_truncated")
def test_a_bill_can_be_late_misnamed_expired_cut_short_or_lost(simulators: Simulators, raw: Raw) -> None:
    day, *_ = an_eventful_day(simulators, raw)
    honest = download(raw, ask(raw, day)).content

    def arm(name: str, endpoint: str = "") -> None:
        simulators.control(WX, "POST", "/faults", name=name, endpoint=endpoint)

    arm("bill_late")
    assert ask(raw, day).json()["code"] == "STATEMENT_CREATING"
    arm("bill_bad_hash")
    offered = ask(raw, day)
    right = hashlib.sha1(honest, usedforsecurity=False).hexdigest()
    assert offered.json()["hash_value"] != right
    assert download(raw, offered).content == honest
    arm("bill_link_expired")
    assert download(raw, ask(raw, day)).json()["code"] == "INVALID_REQUEST"
    arm("bill_truncated")
    assert download(raw, ask(raw, day)).content == honest[: len(honest) // 2]
    arm("lose_reply", "billdownload")
    offered = ask(raw, day)
    with pytest.raises(httpx.TransportError):
        download(raw, offered)
    assert download(raw, offered).content == honest
    assert ask(raw, day).json()["hash_value"] == right

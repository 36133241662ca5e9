"""Alipay's bills: an address for thirty seconds, a zip of GBK tables, and the book's own numbers."""

import csv
import io
import zipfile
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.simulators.business_days import a_new_day, close, fen, move_to, today, totals
from tests.simulators.conftest import Simulators
from tests.simulators.raw_alipay import ALI, Client, paid, refund

METHOD = "alipay.data.dataservice.bill.downloadurl.query"


@pytest.fixture
def client(simulators: Simulators) -> Client:
    return Client(simulators)


def ask(client: Client, day: date | str, kind: str = "trade") -> dict[str, Any]:
    return client.call(METHOD, {"bill_type": kind, "bill_date": str(day)})


def zipped(client: Client, answer: dict[str, Any]) -> bytes:
    assert answer["code"] == "10000", answer
    got = client.http.get(answer["bill_download_url"])
    assert got.status_code == 200, got.text
    return got.content


class Table:
    """One table of the zip: comment lines before and after, rows by the names of their columns."""

    def __init__(self, content: bytes) -> None:
        lines = content.decode("gbk").split("\r\n")
        assert lines.pop() == ""
        self.remarks = [line for line in lines if line.startswith("#")]
        head, *rows = csv.reader(line for line in lines if not line.startswith("#"))
        self.rows = [dict(zip(head, (cell.strip("\t") for cell in row), strict=True)) for row in rows]


def tables(content: bytes) -> dict[str, Table]:
    """The zip's tables by the end of their names, which are GBK without the UTF-8 flag."""
    found: dict[str, Table] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for info in archive.infolist():
            assert not info.flag_bits & 0x800
            name = info.filename.encode("cp437").decode("gbk")
            found[name.removesuffix(".csv").split("_")[2]] = Table(archive.read(info))
    return found


def an_eventful_day(simulators: Simulators, client: Client) -> tuple[date, dict[str, Any]]:
    """Two payments, one of them given back in part; it is past ten the next day."""
    day = a_new_day(simulators)
    paid(simulators, client, total_amount="12.34", subject="挂号,内科")
    halved = paid(simulators, client, total_amount="10.00")
    assert refund(client, halved, "5.00", "back-1")["fund_change"] == "Y"
    move_to(simulators, day + timedelta(days=1), 10)
    return day, halved


def test_a_bill_says_what_the_book_says(simulators: Simulators, client: Client) -> None:
    day, halved = an_eventful_day(simulators, client)
    found = tables(zipped(client, ask(client, day)))
    assert sorted(found) == ["业务明细", "业务明细(汇总)"]
    details, sums = found["业务明细"], found["业务明细(汇总)"]
    assert [row["业务类型"] for row in details.rows] == ["交易", "交易", "退款"]
    assert details.rows[0]["商品名称"] == "挂号 内科"
    back = details.rows[2]
    assert (back["商户订单号"], back["支付宝交易号"]) == (halved["out_trade_no"], halved["trade_no"])
    assert (back["退款批次号/请求号"], back["订单金额（元）"]) == ("back-1", "-5.00")
    assert [len(row) for row in details.rows] == [25] * 3
    assert details.remarks[0] == "#支付宝业务明细查询"
    assert details.remarks[1] == f"#账号：[{client.card['pid']}0156]"
    assert details.remarks[2].startswith(f"#起始日期：[{day:%Y年%m月%d日} 00:00:00]   终止日期：[")
    assert details.remarks[5:7] == [
        "#交易合计：2笔，商家实收共22.34元，商家优惠共0.00元",
        "#退款合计：1笔，商家实收退款共-5.00元，商家优惠退款共0.00元",
    ]
    total = sums.rows[-1]
    assert (total["门店编号"], total["交易订单总笔数"], total["退款订单总笔数"]) == ("合计", "2", "1")
    assert (total["订单金额（元）"], total["实收净额（元）"]) == ("17.34", "17.34")
    shown = totals(simulators, ALI, day)
    assert shown["book"] == shown["bill"]
    assert shown["book"]["paid_fen"] - shown["book"]["refund_fen"] == 1734
    assert sum(fen(row["商家实收（元）"]) for row in details.rows) == 1734


def test_fees_are_negative_and_come_back_with_a_refund(simulators: Simulators, client: Client) -> None:
    simulators.control(ALI, "POST", "/fee-rate", basis_points=60)
    assert simulators.control(ALI, "GET", "/fee-rate") == {"basis_points": 60}
    day, _halved = an_eventful_day(simulators, client)
    simulators.control(ALI, "POST", "/fee-rate", basis_points=0)
    found = tables(zipped(client, ask(client, day)))
    assert [row["服务费（元）"] for row in found["业务明细"].rows] == ["-0.07", "-0.06", "0.03"]
    assert found["业务明细(汇总)"].rows[-1]["实收净额（元）"] == "17.24"
    funds = tables(zipped(client, ask(client, day, "signcustomer")))
    details = funds["账务明细"]
    assert [(row["业务类型"], row["收入金额（+元）"], row["支出金额（-元）"]) for row in details.rows] == [
        ("在线支付", "12.34", "0.00"),
        ("收费", "0.00", "-0.07"),
        ("在线支付", "10.00", "0.00"),
        ("收费", "0.00", "-0.06"),
        ("交易退款", "0.00", "-4.97"),
    ]
    balance = simulators.control(ALI, "GET", "/book")["merchant"]["balance_fen"]
    assert fen(details.rows[-1]["账户余额（元）"]) == balance
    assert details.remarks[-3:-1] == ["#支出合计：3笔，共-5.10元", "#收入合计：2笔，共22.34元"]
    total = funds["账务明细(汇总)"].rows[-1]
    assert (total["类型"], total["总金额（元）"]) == ("合计", "17.24")


def test_a_bill_opens_at_ten_unless_closed_by_hand(simulators: Simulators, client: Client) -> None:
    day = a_new_day(simulators)
    paid(simulators, client)
    assert ask(client, day)["sub_code"] == "isv.invalid_arguments"
    move_to(simulators, day + timedelta(days=1), 9, 59)
    assert ask(client, day)["sub_code"] == "isp.bill_not_exist"
    assert close(simulators, ALI, day)["is_final"]
    first = zipped(client, ask(client, day))
    move_to(simulators, day + timedelta(days=1), 10)
    assert zipped(client, ask(client, day)) == first


def test_a_month_is_told_from_its_third_day_on(simulators: Simulators, client: Client) -> None:
    day = a_new_day(simulators)
    paid(simulators, client, total_amount="3.00")
    month = f"{day:%Y-%m}"
    assert ask(client, month)["sub_code"] == "isv.invalid_arguments"
    after = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
    move_to(simulators, after, 12)
    assert ask(client, month)["sub_code"] == "isp.bill_not_exist"
    move_to(simulators, after + timedelta(days=2), 10)
    details = tables(zipped(client, ask(client, month)))["业务明细"]
    assert fen(details.rows[-1]["订单金额（元）"]) == 300
    assert all(row["完成时间"].startswith(month) for row in details.rows)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"bill_type": "trade"},
        {"bill_type": "other", "bill_date": "2026-01-01"},
        {"bill_type": "trade", "bill_date": "20260101"},
        {"bill_type": "trade", "bill_date": "2026-02-30"},
        {"bill_type": "trade", "bill_date": "2015-12-31"},
        {"bill_type": "trade", "bill_date": "2015-12"},
        {"bill_type": "trade", "bill_date": "2999-12"},
        {"bill_type": "trade", "bill_date": "9999-12-31"},
        {"bill_type": "trade", "bill_date": "2026-13"},
        {"bill_type": "trade", "bill_date": 20260101},
    ],
)
def test_an_impossible_question_is_refused(client: Client, content: dict[str, Any]) -> None:
    answer = client.call(METHOD, content)
    assert (answer["code"], answer["sub_code"]) == ("40004", "isv.invalid_arguments")


def test_an_empty_day_has_no_bill(simulators: Simulators, client: Client) -> None:
    empty = a_new_day(simulators)
    move_to(simulators, empty + timedelta(days=1), 12)
    for kind in ("trade", "signcustomer"):
        assert ask(client, empty, kind)["sub_code"] == "isp.bill_not_exist"
    assert ask(client, today(simulators))["sub_code"] == "isv.invalid_arguments"


def test_the_address_lives_thirty_seconds(simulators: Simulators, client: Client) -> None:
    day, _halved = an_eventful_day(simulators, client)
    url = ask(client, day)["bill_download_url"]
    told = parse_qs(urlsplit(url).query)
    account = f"{client.card['pid']}0156"
    assert told["downloadFileName"] == [f"{account}_{day:%Y%m%d}.csv.zip"]
    simulators.clock.forward(seconds=20)
    assert client.http.get(url).content[:2] == b"PK"
    simulators.clock.forward(seconds=11)
    assert client.http.get(url).status_code == 403
    assert client.http.get(url.replace(told["token"][0], "guess")).status_code == 403


@pytest.mark.sees(ALI)
@pytest.mark.parametrize(
    ("fault", "difference"),
    [("bill_missing_row", -1234), ("bill_extra_row", 1234), ("bill_wrong_amount", 1), ("", 0)],
)
def test_a_bill_can_lie(simulators: Simulators, client: Client, fault: str, difference: int) -> None:
    day = a_new_day(simulators)
    paid(simulators, client, total_amount="3.00")
    told = paid(simulators, client, total_amount="12.34")
    if fault:
        simulators.control(ALI, "POST", "/faults", name=fault, reference=told["out_trade_no"])
    move_to(simulators, day + timedelta(days=1), 10)
    details = tables(zipped(client, ask(client, day)))["业务明细"]
    shown = totals(simulators, ALI, day)
    assert sum(fen(row["订单金额（元）"]) for row in details.rows) == 1534 + difference
    assert (shown["bill"]["paid_fen"], shown["book"]["paid_fen"]) == (1534 + difference, 1534)


@pytest.mark.sees(ALI, "bill_late", "bill_link_expired", "bill_truncated")
def test_a_bill_can_be_late_expired_cut_short_or_lost(simulators: Simulators, client: Client) -> None:
    day, _halved = an_eventful_day(simulators, client)
    honest = zipped(client, ask(client, day))

    def arm(name: str, endpoint: str = "") -> None:
        simulators.control(ALI, "POST", "/faults", name=name, endpoint=endpoint)

    arm("bill_late")
    assert ask(client, day)["sub_code"] == "isp.bill_not_exist"
    arm("bill_link_expired")
    assert client.http.get(ask(client, day)["bill_download_url"]).status_code == 403
    arm("bill_truncated")
    assert zipped(client, ask(client, day)) == honest[: len(honest) // 2]
    arm("lose_reply", "bill_file")
    url = ask(client, day)["bill_download_url"]
    with pytest.raises(httpx.TransportError):
        client.http.get(url)
    assert client.http.get(url).content == honest

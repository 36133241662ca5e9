"""3201 to 3204, 9101 and 9102: the bureau's totals and rows against the hospital's."""

import io
import zipfile
from base64 import b64decode, b64encode
from typing import Any

import pytest

from tests.simulators.conftest import Simulators
from tests.simulators.raw_bureau_money import Cashier, plain_client

COLUMNS: tuple[str, ...] = (
    "psn_no",
    "mdtrt_id",
    "setl_id",
    "msgid",
    "stmt_rslt",
    "refd_setl_flag",
    "memo",
    "medfee",
    "fund",
    "acct",
)


class Day:
    """A business day of its own, with two settlements of which one was reversed."""

    def __init__(self, simulators: Simulators) -> None:
        self.cashier = Cashier(simulators, plain_client(simulators))
        self.kept = self.cashier.treat("1000.00", "B1")
        self.gone = self.cashier.treat("200.00", "B2")
        self.back = self.cashier.reverse(self.gone)
        self.day = self.kept["setl_time"][:10]

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [self.kept, self.gone, self.back]

    def period(self, **change: Any) -> dict[str, Any]:
        asked = {
            "insutype": "310",
            "clr_type": "11",
            "setl_optins": "990100",
            "stmt_begndate": self.day,
            "stmt_enddate": self.day,
            "medfee_sumamt": self.sum("medfee_sumamt"),
            "fund_pay_sumamt": self.sum("fund_pay_sumamt"),
            "acct_pay": self.sum("acct_pay"),
            "cash_payamt": self.sum("psn_cash_pay"),
            "fixmedins_setl_cnt": 1,
        }
        return {**asked, **change}

    def sum(self, name: str) -> str:
        return f"{sum(round(row[name] * 100) for row in self.rows) / 100:.2f}"

    def total(self, **change: Any) -> dict[str, str]:
        return self.cashier.client.output("3201", {"data": self.period(**change)})["stmtinfo"]

    def table(self) -> list[list[str]]:
        names = ("setl_id", "mdtrt_id", "psn_no", "medfee_sumamt", "fund_pay_sumamt", "acct_pay")
        flags = ("0", "0", "1")
        return [
            [str(row[name]) for name in names] + [flag] for row, flag in zip(self.rows, flags, strict=True)
        ]

    def detail(self, table: list[list[str]], **change: Any) -> dict[str, dict[str, str]]:
        """The result's rows by setl_id."""
        number = self.upload(zipped("".join("\t".join(row) + "\n" for row in table)))
        asked = self.period(file_qury_no=number, **change)
        told = self.cashier.client.output("3202", {"data": asked})["fileinfo"]
        with zipfile.ZipFile(io.BytesIO(self.download(told))) as archive:
            [name] = archive.namelist()
            lines = archive.read(name).decode().splitlines()
        rows: list[dict[str, str]] = [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines]
        return {row["setl_id"]: row for row in rows}

    def upload(self, content: bytes) -> str:
        asked = {"in": b64encode(content).decode(), "filename": "d.zip", "fixmedins_code": self.code}
        return self.cashier.client.output("9101", {"fsUploadIn": asked})["file_qury_no"]

    def download(self, told: dict[str, str]) -> bytes:
        asked = {**told, "fixmedins_code": self.code}
        return b64decode(self.cashier.client.output("9102", {"fsDownloadIn": asked})["out"])

    @property
    def code(self) -> str:
        return self.cashier.client.card["fixmedins_code"]


@pytest.fixture
def day(simulators: Simulators) -> Day:
    simulators.clock.forward(days=1)
    return Day(simulators)


def zipped(text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("d.txt", text)
    return packed.getvalue()


def test_equal_totals_are_equal(day: Day) -> None:
    assert day.total() == {"setl_optins": "990100", "stmt_rslt": "0", "stmt_rslt_dscr": "对账平"}


@pytest.mark.parametrize(
    "change",
    [{"medfee_sumamt": "1000.01"}, {"fund_pay_sumamt": "0"}, {"acct_pay": "0.00"}, {"fixmedins_setl_cnt": 2}],
    ids=lambda change: next(iter(change)),
)
def test_an_unequal_total_says_which(day: Day, change: dict[str, Any]) -> None:
    told = day.total(**change)
    assert told["stmt_rslt"] == "1"
    assert next(iter(change)) in told["stmt_rslt_dscr"]


def test_other_days_insurances_and_kinds_count_apart(day: Day) -> None:
    nothing = {"medfee_sumamt": 0, "fund_pay_sumamt": 0, "acct_pay": 0, "fixmedins_setl_cnt": 0}
    assert day.total(insutype="390", **nothing)["stmt_rslt"] == "0"
    assert day.total(clr_type="21", **nothing)["stmt_rslt"] == "0"
    backwards = {"data": day.period(stmt_enddate="2020-01-01")}
    assert "stmt_enddate" in day.cashier.refusal("3201", backwards)


def test_the_last_check_of_a_day_is_remembered(day: Day) -> None:
    day.total(medfee_sumamt="1.00")

    def results(**more: str) -> list[str]:
        told = day.cashier.client.output("13203", {"data": {"stmt_date": day.day, **more}})["result"]
        return [row["stmt_rslt"] for row in told]

    assert results() == ["1"]
    day.total()
    assert results(insutype="310", clr_type="11") == ["0"]
    assert results(insutype="390") == []


def test_equal_rows_are_equal(day: Day) -> None:
    told = day.detail(day.table())
    assert {row["stmt_rslt"] for row in told.values()} == {"0"}
    assert set(told) == {row["setl_id"] for row in day.rows}
    assert told[day.kept["setl_id"]]["msgid"] == day.kept["medins_setl_id"]


def test_every_kind_of_difference_is_named(day: Day) -> None:
    kept, gone, back = day.table()
    wrong = [*gone[:3], "201.0", *gone[4:]]
    unknown = ["A0", *back[1:3], "-201.0", back[4], back[5], "1"]
    told = day.detail([kept, wrong, unknown])
    results = {name: row["stmt_rslt"] for name, row in told.items()}
    assert results == {kept[0]: "0", gone[0]: "103", "A0": "102", back[0]: "101"}
    assert float(told[gone[0]]["medfee"]) == 200


def test_a_file_must_be_what_was_declared(day: Day) -> None:
    table = day.table()

    def refused(content: bytes, **change: Any) -> str:
        asked = day.period(file_qury_no=day.upload(content), **change)
        return day.cashier.refusal("3202", {"data": asked})

    text = "".join("\t".join(row) + "\n" for row in table)
    assert "ZIP" in refused(text.encode())
    assert "合计" in refused(zipped(text), medfee_sumamt="1.00")
    assert "笔数" in refused(zipped(text), fixmedins_setl_cnt=3)
    assert "列" in refused(zipped("A\tB\n"))
    assert "重复" in refused(zipped(text + text))
    assert "不存在" in day.cashier.refusal("3202", {"data": day.period(file_qury_no="F0")})


def test_a_file_may_come_as_byte_values_and_lasts_a_week(simulators: Simulators, day: Day) -> None:
    asked = {"in": [-1, 0, 127, 255], "filename": "b.bin", "fixmedins_code": day.code}
    told = day.cashier.client.output("9101", {"fsUploadIn": asked})
    assert day.download(told) == b"\xff\x00\x7f\xff"
    wrong = {**asked, "in": "not base64!"}
    assert "in" in day.cashier.refusal("9101", {"fsUploadIn": wrong})
    simulators.clock.forward(days=7)
    day.cashier.client.sign_in()
    gone = {"file_qury_no": told["file_qury_no"], "filename": "b.bin", "fixmedins_code": day.code}
    assert "过期" in day.cashier.refusal("9102", {"fsDownloadIn": gone})


def test_a_clearing_binds_until_it_is_withdrawn(day: Day) -> None:
    asked = {
        "clr_type": "11",
        "clr_way": "1",
        "setlym": day.day[:7].replace("-", ""),
        "psntime": 1,
        "medfee_sumamt": day.sum("medfee_sumamt"),
        "med_sumfee": day.sum("medfee_sumamt"),
        "fund_appy_sum": day.sum("fund_pay_sumamt"),
        "cash_payamt": day.sum("psn_cash_pay"),
        "acct_pay": day.sum("acct_pay"),
        "begndate": day.day,
        "enddate": day.day,
    }
    client = day.cashier.client
    assert "fund_appy_sum" in day.cashier.refusal("3203", {"data": {**asked, "fund_appy_sum": "1"}})
    number = client.output("3203", {"data": asked})["result"]["clr_appy_evt_id"]
    assert "没有待清算" in day.cashier.refusal("3203", {"data": asked})
    assert "已清算" in day.cashier.refusal("2208", day.cashier.reversal(day.kept))
    withdrawal = {"data": {"clr_optins": "990100", "clr_appy_evt_id": number}}
    client.output("3204", withdrawal)
    assert "已撤销" in day.cashier.refusal("3204", withdrawal)
    day.cashier.reverse(day.kept)

"""A hospital's own lists: every row checked, all of them or none, bad ones by line and reason."""

import io
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from app.catalog.queries import Icd10NotFound, icd10, lab_panel, price_by_code, search_icd10
from app.imports import loading
from app.imports import main as imports
from app.imports.loading import ColumnsWrong, FileUnreadable, RowsRefused, load_file
from app.kernel import database
from app.kernel.actor import system
from app.kernel.errors import DomainError
from tests.make import organization
from tests.make.rows import row, value

SYSTEM = system("test")
ICD10 = "code,name_zh,name_en,billable\n"
CATALOG = "kind,code,name,unit,price_yuan\n"
SCHEDULE = (
    "department_code,staff_no,room,weekday,half_day,visit_type,item_code,window_minutes,valid_from,valid_to\n"
)


class Told:
    """What a file's import said."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "list.csv"
        self.console = Console(file=io.StringIO(), width=200)

    async def load(self, kind: str, text: str | bytes) -> int:
        raw = text.encode() if isinstance(text, str) else text
        self.path.write_bytes(raw)
        return await load_file(imports.IMPORTERS[kind], self.path, console=self.console)

    async def refused(self, kind: str, text: str | bytes) -> DomainError:
        with pytest.raises(DomainError) as refusal:
            await self.load(kind, text)
        return refusal.value

    @property
    def said(self) -> str:
        assert isinstance(self.console.file, io.StringIO)
        return self.console.file.getvalue()


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


async def test_a_national_edition_completes_the_known_codes(db: str, told: Told) -> None:
    await told.load("icd10", ICD10 + "J06.9,x,Acute upper respiratory infection,\n")
    text = ICD10 + "J06.9,急性上呼吸道感染,,\nJ06.900x001,上呼吸道感染,,1\n\nJ06,上呼吸道,,0\n"
    assert await told.load("icd10", text) == 3
    known = await icd10(SYSTEM, code="j06.9")
    assert (known.name_zh, known.name_en) == ("急性上呼吸道感染", "Acute upper respiratory infection")
    found = await search_icd10(SYSTEM, text="上呼吸道")
    assert {c.code for c in found} == {"J06.9", "J06.900x001"}
    with pytest.raises(Icd10NotFound):
        await icd10(SYSTEM, code="J06")
    assert "list.csv" in told.said


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
async def test_files_of_spreadsheets_are_read(db: str, told: Told, encoding: str) -> None:
    await told.load("icd10", (ICD10 + "R51,头痛,,\n").encode(encoding))
    assert (await icd10(SYSTEM, code="R51")).name_zh == "头痛"


async def test_one_bad_row_imports_nothing_and_each_is_named(db: str, told: Told) -> None:
    text = ICD10 + "R51,头痛,,\nhello,你好,,\nR50.9,,,\nR42,头晕,,2\nR51,头疼,,\nR05,咳嗽,,1,extra\n"
    refusal = await told.refused("icd10", text + f"R10,{'痛' * 251},,\n")
    assert isinstance(refusal, RowsRefused)
    assert await value("SELECT count(*) FROM icd10") == 0
    for line, reason in {
        3: "不是 ICD-10 编码",
        4: "name_zh 不能为空",
        5: "billable 只能是",
        6: "与第 2 行重复",
        7: "列数多于表头",
        8: "名称超过",
    }.items():
        assert any(str(line) in said and reason in said for said in told.said.splitlines()), reason


async def test_only_the_first_bad_rows_are_listed(db: str, told: Told) -> None:
    rows = "".join(f"bad{n},名,,\n" for n in range(loading.BAD_ROWS_SHOWN_MAX + 7))
    await told.refused("icd10", ICD10 + rows)
    assert "另有 7 行未列出" in told.said


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("code\n", id="missing"),
        pytest.param("code,name_zh,colour\n", id="unknown"),
        pytest.param("code,name_zh,code\n", id="twice"),
        pytest.param("", id="empty file"),
    ],
)
async def test_a_wrong_header_is_told(db: str, told: Told, header: str) -> None:
    assert isinstance(await told.refused("icd10", header), ColumnsWrong)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\xff\xff\xff\xff", id="no known encoding"),
        pytest.param(b'code,name_zh\nR51,"a"b\n', id="broken quoting"),
    ],
)
async def test_what_is_no_csv_is_refused(db: str, told: Told, raw: bytes) -> None:
    assert isinstance(await told.refused("icd10", raw), FileUnreadable)


async def test_bounds_hold(db: str, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "ROWS_MAX", 1)
    assert isinstance(await told.refused("icd10", ICD10 + "R51,a,,\nR42,b,,\n"), FileUnreadable)
    monkeypatch.setattr(loading, "FILE_BYTES_MAX", 3)
    assert isinstance(await told.refused("icd10", ICD10), FileUnreadable)
    told.path.unlink()
    with pytest.raises(FileUnreadable):
        await load_file(imports.IMPORTERS["icd10"], told.path, console=told.console)


async def test_a_new_price_replaces_the_old_one(db: str, told: Told) -> None:
    await told.load("catalog", CATALOG + "consultation,C1,普通门诊诊察费,次,10\n")
    first = await price_by_code(SYSTEM, code="C1")
    await told.load("catalog", CATALOG + "consultation,C1,门诊诊察费,次,12.5\nbed,B1,床位费,日,0.123456\n")
    price = await price_by_code(SYSTEM, code="C1")
    assert (price.item_id, price.name, price.unit_price_micro_yuan) == (
        first.item_id,
        "门诊诊察费",
        12_500_000,
    )
    assert (await price_by_code(SYSTEM, code="B1")).unit_price_micro_yuan == 123_456


PANEL = (
    "kind,code,name,unit,price_yuan,specimen_kind,container,panel_code,sex,age_years_from,age_years_below,"
    "low,high\n"
)


async def test_a_panel_comes_with_its_tests_and_ranges(db: str, told: Told) -> None:
    text = (
        PANEL
        + "lab,CBC,血常规,次,25,全血,紫帽,,,,,,\n"
        + "lab_test,WBC,白细胞,10^9/L,,,,CBC,0,0,2,5.1,14.1\n"
        + "lab_test,HGB,血红蛋白,g/L,,,,CBC,1,12,,130,175\n"
        + "lab_test,WBC,白细胞,10^9/L,,,,CBC,0,2,,3.5,9.5\n"
    )
    assert await told.load("catalog", text) == 4
    panel = await lab_panel(SYSTEM, panel_id=await value("SELECT id FROM lab_panel"))
    assert [test.code for test in panel.tests] == ["WBC", "HGB"]
    assert [r.age_days_from for r in panel.tests[0].references] == [0, 730]
    again = PANEL + "lab_test,WBC,白细胞计数,10^9/L,,,,CBC,,,,4,10\n"
    await told.load("catalog", again)
    panel = await lab_panel(SYSTEM, panel_id=panel.id)
    assert [(r.low, r.high) for r in panel.tests[0].references] == [(4, 10)], "replaced as a whole"
    assert len(panel.tests[1].references) == 1


DRUG = (
    "kind,code,name,unit,price_yuan,spec,form,form_name,drug_class,ingredients,dose_unit,usual_dose,"
    "usual_route,usual_frequency\n"
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(CATALOG + "cake,C1,蛋糕,个,1\n", "kind 只能是", id="kind"),
        pytest.param(CATALOG + "bed,B1,床位费,日,\n", "price_yuan 须为", id="no price"),
        pytest.param(CATALOG + "bed,B1,床位费,日,-1\n", "price_yuan 须为", id="negative"),
        pytest.param(CATALOG + "bed,B1,床位费,日,十\n", "price_yuan 不是数字", id="no number"),
        pytest.param(CATALOG + "bed,B1,床位费,日,NaN\n", "price_yuan 不是数字", id="not a number"),
        pytest.param(CATALOG + "bed,B1,床位费,日,0.0000001\n", "最多六位小数", id="decimals"),
        pytest.param(CATALOG + f"bed,B1,{'床' * 121},日,1\n", "超过 120 个字", id="long"),
        pytest.param(CATALOG + "lab,L1,血常规,次,1\n", "specimen_kind 不能为空", id="lab without specimen"),
        pytest.param(CATALOG + "drug,D1,药,盒,1\n", "spec 不能为空", id="drug without spec"),
        pytest.param(
            DRUG + "drug,D1,药,盒,1,1g,pill,片剂,ordinary,x,片,1,口服,每日一次\n", "form 只能是", id="form"
        ),
        pytest.param(
            PANEL + "lab_test,W,白细胞,g,,,,NONE,0,,,1,2\n", "panel_code 没有对应", id="unknown panel"
        ),
        pytest.param(PANEL + "lab_test,W,白细胞,g,,,,,0,,,1,2\n", "panel_code 不能为空", id="no panel"),
        pytest.param(
            PANEL + "lab,P,p,次,1,全血,紫帽,,,,,,\nlab_test,W,白细胞,g,,,,P,3,,,1,2\n", "sex 只能是", id="sex"
        ),
        pytest.param(
            PANEL + "lab,P,p,次,1,全血,紫帽,,,,,,\nlab_test,W,白细胞,g,,,,P,0,,,3,2\n", "low 大于", id="range"
        ),
        pytest.param(
            PANEL + "lab,P,p,次,1,全血,紫帽,,,,,,\nlab_test,W,白细胞,g,,,,P,0,200,,1,2\n",
            "150 之间",
            id="age",
        ),
    ],
)
async def test_a_wrong_catalog_row_is_named(db: str, told: Told, text: str, reason: str) -> None:
    await told.refused("catalog", text)
    assert reason in told.said
    assert await value("SELECT count(*) FROM priced_item") == 0


@pytest.fixture
async def clinic(db: str) -> str:
    """A department with a room, a doctor and a fee; the file's good row."""
    department = await organization.department()
    room = await organization.room(department_id=department)
    doctor = await organization.staff(department_id=department)
    await row(
        "priced_item",
        code="FEE",
        name="诊察费",
        kind="consultation",
        unit="次",
        unit_price_micro_yuan=10_000_000,
        valid_from=date(2026, 1, 1),
        active=True,
    )
    code = await value("SELECT code FROM department WHERE id = $1", department)
    name = await value("SELECT name FROM room WHERE id = $1", room)
    number = await value("SELECT staff_no FROM staff WHERE id = $1", doctor)
    return f"{code},{number},{name},1,am,ordinary,FEE,20,2026-12-01,2026-12-31\n"


async def test_a_week_is_imported_once(clinic: str, told: Told) -> None:
    assert await told.load("schedule", SCHEDULE + clinic + clinic.replace(",1,am,", ",2,pm,")) == 2
    assert await told.load("schedule", SCHEDULE + clinic) == 1
    assert await value("SELECT count(*) FROM schedule_template") == 2
    assert await value("SELECT min(window_minutes) FROM schedule_template") == 20


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        pytest.param("D", "X", "department_code 没有", id="department"),
        pytest.param(",S", ",T", "staff_no 不是", id="doctor"),
        pytest.param("诊室", "手术室", "room 不是", id="room"),
        pytest.param(",1,am", ",8,am", "weekday 须在 1 到 7", id="weekday"),
        pytest.param(",am,", ",night,", "half_day 只能是 am、pm", id="half day"),
        pytest.param("ordinary", "royal", "visit_type 只能是", id="visit type"),
        pytest.param("FEE", "FREE", "item_code 不是", id="fee"),
        pytest.param(",20,", ",two,", "window_minutes 须在", id="minutes"),
        pytest.param("2026-12-01", "tomorrow", "valid_from 不是日期", id="date"),
        pytest.param("2026-12-31", "2026-11-30", "valid_to 早于", id="order"),
    ],
)
async def test_a_wrong_clinic_is_named(clinic: str, told: Told, old: str, new: str, reason: str) -> None:
    await told.refused("schedule", SCHEDULE + clinic.replace(old, new, 1))
    assert reason in told.said
    assert await value("SELECT count(*) FROM schedule_template") == 0


async def test_a_department_code_of_two_campuses_needs_the_campus(clinic: str, told: Told) -> None:
    code = clinic.split(",")[0]
    other = await organization.campus()
    await row("department", campus_id=other, code=code, name="呼吸内科", specialty_code="", number_only=False)
    await told.refused("schedule", SCHEDULE + clinic)
    assert "请填写 campus_code" in told.said
    campus = await value("SELECT c.code FROM campus c JOIN room r ON true JOIN department d"
                         " ON d.id = r.department_id AND d.campus_id = c.id LIMIT 1")  # fmt: skip
    named = f"campus_code,{SCHEDULE}{campus},{clinic}"
    assert await told.load("schedule", named) == 1


@pytest.mark.commits
async def test_the_command_opens_the_pool_itself(db: str, tmp_path: Path) -> None:
    await database.close_pool()
    path = tmp_path / "codes.csv"
    path.write_text(ICD10 + "R51,头痛,,\n")
    await imports.load("icd10", path)
    assert database.DB.pool is None
    await database.open_pool()
    assert (await icd10(SYSTEM, code="R51")).name_zh == "头痛"

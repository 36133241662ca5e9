"""`jiuyi import catalog FILE.csv`: the price list with drugs, lab panels and their tests.

Every row: kind, code, name, unit. `kind` is consultation, lab, drug, bed, nursing, treatment, material
(these need price_yuan) or lab_test. A drug also needs spec, form, form_name, drug_class, ingredients
(codes joined by ;), dose_unit, usual_dose, usual_route, usual_frequency; a lab panel specimen_kind and
container. A lab_test names its panel in panel_code and has one range: sex (0 both, 1 male, 2 female),
age_years_from (inclusive), age_years_below (exclusive), low, high, critical_low, critical_high; a test
with several ranges stands in several rows. Tests come behind their panel.
"""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import msgspec

from app.catalog.loading import (
    DrugRow,
    ItemRow,
    PanelRow,
    TestRow,
    known_panel_codes,
    put_items,
    put_tests,
)
from app.catalog.tables import DrugClass, DrugForm, ItemKind
from app.imports.loading import Advance, Importer, Row, RowWrong, batches, choice
from app.kernel.actor import Actor

LENGTH_MAX = 120
DAYS_PER_YEAR = Decimal("365.25")
AGE_YEARS_MAX = Decimal(150)
MICRO_YUAN = 1_000_000
PRICE_YUAN_MAX = Decimal(1_000_000)
LAB_TEST = "lab_test"
DRUG_COLUMNS = (
    "spec", "form", "form_name", "drug_class", "ingredients", "dose_unit", "usual_dose", "usual_route",
    "usual_frequency",
)  # fmt: skip
PANEL_COLUMNS = ("specimen_kind", "container")
TEST_COLUMNS = (
    "panel_code", "sex", "age_years_from", "age_years_below", "low", "high", "critical_low", "critical_high",
)  # fmt: skip


class Known(msgspec.Struct):
    """What earlier rows and the database have: the panels, and how many tests each got so far."""

    panels: set[str]
    tests: dict[str, list[str]]


async def prepare(actor: Actor) -> Known:
    return Known(panels=await known_panel_codes(actor), tests={})


def read(row: Row, known: Known) -> ItemRow | TestRow:
    for name, value in row.items():
        if len(value) > LENGTH_MAX:
            raise RowWrong(f"{name} 超过 {LENGTH_MAX} 个字")
    if row["kind"] == LAB_TEST:
        return _test(row, known)
    kind: ItemKind = choice(row, "kind", ItemKind, or_else=LAB_TEST)
    if kind is ItemKind.LAB:
        known.panels.add(row["code"])
    return ItemRow(
        code=row["code"],
        name=row["name"],
        kind=kind,
        unit=row["unit"],
        unit_price_micro_yuan=_price(row),
        drug=_drug(row) if kind is ItemKind.DRUG else None,
        panel=_panel(row) if kind is ItemKind.LAB else None,
    )


def _price(row: Row) -> int:
    price = _number(row, "price_yuan")
    if price is None or not 0 <= price <= PRICE_YUAN_MAX:
        raise RowWrong("price_yuan 须为 0 到 1000000 之间的金额（元）")
    micro = price * MICRO_YUAN
    if micro != micro.to_integral_value():
        raise RowWrong("price_yuan 最多六位小数")
    return int(micro)


def _number(row: Row, name: str) -> Decimal | None:
    text = row.get(name, "")
    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise RowWrong(f"{name} 不是数字") from error
    if not number.is_finite():
        raise RowWrong(f"{name} 不是数字")
    return number


def _needed(row: Row, names: Sequence[str]) -> None:
    for name in names:
        if not row.get(name):
            raise RowWrong(f"{name} 不能为空")


def _drug(row: Row) -> DrugRow:
    _needed(row, DRUG_COLUMNS)
    return DrugRow(
        spec=row["spec"],
        form=choice(row, "form", DrugForm),
        form_name=row["form_name"],
        drug_class=choice(row, "drug_class", DrugClass),
        ingredients=[code.strip() for code in row["ingredients"].split(";") if code.strip()],
        dose_unit=row["dose_unit"],
        usual_dose=row["usual_dose"],
        usual_route=row["usual_route"],
        usual_frequency=row["usual_frequency"],
    )


def _panel(row: Row) -> PanelRow:
    _needed(row, PANEL_COLUMNS)
    return PanelRow(specimen_kind=row["specimen_kind"], container=row["container"])


def _test(row: Row, known: Known) -> TestRow:
    _needed(row, ("panel_code",))
    panel = row["panel_code"]
    if panel not in known.panels:
        raise RowWrong("panel_code 没有对应的检验项目（kind=lab），请把它放在检验指标之前")
    if row.get("sex", "") not in {"", "0", "1", "2"}:
        raise RowWrong("sex 只能是 0（不限）、1（男）、2（女）")
    tests = known.tests.setdefault(panel, [])
    if row["code"] not in tests:
        tests.append(row["code"])
    low, high = _number(row, "low"), _number(row, "high")
    if low is not None and high is not None and low > high:
        raise RowWrong("low 大于 high")
    return TestRow(
        panel_code=panel,
        code=row["code"],
        name=row["name"],
        unit=row["unit"],
        position=tests.index(row["code"]) + 1,
        sex=row.get("sex") or "0",
        age_days_from=_days(row, "age_years_from", Decimal(0)),
        age_days_below=_days(row, "age_years_below", AGE_YEARS_MAX),
        low=low,
        high=high,
        critical_low=_number(row, "critical_low"),
        critical_high=_number(row, "critical_high"),
    )


def _days(row: Row, name: str, otherwise: Decimal) -> int:
    years = _number(row, name)
    if years is None:
        years = otherwise
    if not 0 <= years <= AGE_YEARS_MAX:
        raise RowWrong(f"{name} 须在 0 到 150 之间")
    return int(years * DAYS_PER_YEAR)


def key(row: ItemRow | TestRow) -> object:
    if isinstance(row, ItemRow):
        return row.code
    return (row.panel_code, row.code, row.sex, row.age_days_from)


async def write(actor: Actor, rows: Sequence[ItemRow | TestRow], advance: Advance) -> None:
    items = [row for row in rows if isinstance(row, ItemRow)]
    for batch in batches(items):
        await put_items(actor, rows=batch)
        advance(len(batch))
    # In one go: a test's ranges are replaced as a whole, and may lie far apart in the file.
    tests = [row for row in rows if isinstance(row, TestRow)]
    await put_tests(actor, rows=tests)
    advance(len(tests))


CATALOG = Importer(
    kind="catalog",
    required=("kind", "code", "name", "unit"),
    optional=("price_yuan", *DRUG_COLUMNS, *PANEL_COLUMNS, *TEST_COLUMNS),
    prepare=prepare,
    read=read,
    key=key,
    write=write,
)

"""Prices, drugs, lab panels and diagnosis codes as others read them."""

from decimal import Decimal
from uuid import UUID

import msgspec

from app.catalog.tables import DrugClass, DrugForm, ItemKind
from app.kernel.actor import Actor
from app.kernel.database import fetch, fetch_one, query
from app.kernel.errors import NotFound

SEARCH_MAX = 50


class ItemNotFound(NotFound):
    code = "item_not_found"
    message = "价目表中没有该项目或已停用，请重新选择。"


class DrugNotFound(NotFound):
    code = "drug_not_found"
    message = "药品目录中没有该药品或已停用，请重新选择。"


class LabPanelNotFound(NotFound):
    code = "lab_panel_not_found"
    message = "检验目录中没有该项目或已停用，请重新选择。"


class Icd10NotFound(NotFound):
    code = "icd10_not_found"
    message = "没有该诊断编码，或编码不够具体，请重新选择。"


class Price(msgspec.Struct, frozen=True, kw_only=True):
    item_id: UUID
    code: str
    name: str
    kind: ItemKind
    unit: str
    unit_price_micro_yuan: int


class DrugView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    item_id: UUID
    name: str
    spec: str
    form: DrugForm
    form_name: str
    drug_class: DrugClass
    ingredients: list[str]
    unit: str
    dose_unit: str
    usual_dose: str
    usual_route: str
    usual_frequency: str
    unit_price_micro_yuan: int


class LabReferenceView(msgspec.Struct, frozen=True, kw_only=True):
    """A range for one sex (0: both) and ages in days, from inclusive to exclusive."""

    sex: str
    age_days_from: int
    age_days_below: int
    low: Decimal | None
    high: Decimal | None
    critical_low: Decimal | None
    critical_high: Decimal | None


class LabTestView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    code: str
    name: str
    unit: str
    references: list[LabReferenceView]


class LabPanelView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    item_id: UUID
    code: str
    name: str
    specimen_kind: str
    container: str
    tests: list[LabTestView]


class LabPanelBrief(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    code: str
    name: str
    specimen_kind: str
    unit_price_micro_yuan: int


class Icd10View(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    name_en: str
    name_zh: str
    billable: bool


PRICE = "SELECT id AS item_id, code, name, kind, unit, unit_price_micro_yuan FROM priced_item WHERE active"


@query
async def price_of(actor: Actor, *, item_id: UUID) -> Price:
    row = await fetch_one(f"{PRICE} AND id = $1", item_id)
    if row is None:
        raise ItemNotFound(item_id=item_id)
    return msgspec.convert(dict(row), Price)


@query
async def price_by_code(actor: Actor, *, code: str) -> Price:
    """The price of an item named in our own rules: consultation by title, bed by day."""
    row = await fetch_one(f"{PRICE} AND code = $1", code)
    if row is None:
        raise ItemNotFound(item_code=code)
    return msgspec.convert(dict(row), Price)


@query
async def priced_items(actor: Actor, *, kind: ItemKind, text: str, limit: int) -> list[Price]:
    """The price list of one kind, by code or any part of the name."""
    rows = await fetch(
        f"{PRICE} AND kind = $1 AND ($2 = '' OR code = $2 OR strpos(name, $2) > 0) ORDER BY code LIMIT $3",
        str(kind),
        text,
        limit,
    )
    return [msgspec.convert(dict(row), Price) for row in rows]


DRUG = (
    "SELECT d.id, d.item_id, d.name, d.spec, d.form, d.form_name, d.drug_class, d.ingredients, i.unit,"
    " d.dose_unit, d.usual_dose, d.usual_route, d.usual_frequency, i.unit_price_micro_yuan"
    " FROM drug d JOIN priced_item i ON i.id = d.item_id AND i.active"
)


@query
async def drug(actor: Actor, *, drug_id: UUID) -> DrugView:
    row = await fetch_one(f"{DRUG} WHERE d.id = $1", drug_id)
    if row is None:
        raise DrugNotFound(drug_id=drug_id)
    return msgspec.convert(dict(row), DrugView)


@query
async def search_drugs(actor: Actor, *, text: str = "", limit: int = 20) -> list[DrugView]:
    """Drugs whose name or code holds the text, by name."""
    rows = await fetch(
        f"{DRUG} WHERE d.name ILIKE $1 OR i.code ILIKE $1 ORDER BY d.name, d.spec LIMIT $2",
        f"%{_literal(text)}%",
        min(limit, SEARCH_MAX),
    )
    return [msgspec.convert(dict(row), DrugView) for row in rows]


@query
async def lab_panel(actor: Actor, *, panel_id: UUID) -> LabPanelView:
    """A panel with its tests in reporting order and every test's ranges."""
    row = await fetch_one(
        "SELECT p.id, p.item_id, p.code, p.name, p.specimen_kind, p.container FROM lab_panel p"
        " JOIN priced_item i ON i.id = p.item_id AND i.active WHERE p.id = $1",
        panel_id,
    )
    if row is None:
        raise LabPanelNotFound(panel_id=panel_id)
    tests = await fetch(
        "SELECT id, code, name, unit FROM lab_test WHERE panel_id = $1 ORDER BY position", panel_id
    )
    ranges = await fetch(
        "SELECT r.* FROM lab_reference r JOIN lab_test t ON t.id = r.test_id WHERE t.panel_id = $1"
        " ORDER BY r.age_days_from, r.sex",
        panel_id,
    )
    by_test: dict[UUID, list[LabReferenceView]] = {test["id"]: [] for test in tests}
    for found in ranges:
        by_test[found["test_id"]].append(msgspec.convert(dict(found), LabReferenceView))
    views = [LabTestView(**dict(test), references=by_test[test["id"]]) for test in tests]
    return LabPanelView(**dict(row), tests=views)


@query
async def lab_panels(actor: Actor, *, limit: int = SEARCH_MAX) -> list[LabPanelBrief]:
    rows = await fetch(
        "SELECT p.id, p.code, p.name, p.specimen_kind, i.unit_price_micro_yuan FROM lab_panel p"
        " JOIN priced_item i ON i.id = p.item_id AND i.active ORDER BY p.code LIMIT $1",
        min(limit, SEARCH_MAX),
    )
    return [LabPanelBrief(**dict(row)) for row in rows]


@query
async def icd10(actor: Actor, *, code: str) -> Icd10View:
    """A code that a diagnosis may name."""
    row = await fetch_one(
        "SELECT code, name_en, name_zh, billable FROM icd10 WHERE code = $1 AND billable", code.upper()
    )
    if row is None:
        raise Icd10NotFound(icd10_code=code[:20])
    return Icd10View(**dict(row))


@query
async def search_icd10(actor: Actor, *, text: str, limit: int = 20) -> list[Icd10View]:
    """Codes by prefix, or by every one of the given words, English or Chinese. Chinese-named first."""
    words = text.lower().split()[:5]
    if not words:
        return []
    rows = await fetch(
        "SELECT code, name_en, name_zh, billable FROM icd10 WHERE billable AND"
        " (code ILIKE $1 OR searchable LIKE ALL($2::text[]))"
        " ORDER BY code ILIKE $1 DESC, name_zh = '', length(searchable), code LIMIT $3",
        f"{_literal(text.strip())}%",
        [f"%{_literal(word)}%" for word in words],
        min(limit, SEARCH_MAX),
    )
    return [Icd10View(**dict(row)) for row in rows]


@query
async def price_list(actor: Actor, *, kind: ItemKind | None = None, limit: int = 100) -> list[Price]:
    rows = await fetch(
        f"{PRICE} AND ($1::text IS NULL OR kind = $1) ORDER BY code LIMIT $2",
        None if kind is None else str(kind),
        min(limit, 100),
    )
    return [msgspec.convert(dict(row), Price) for row in rows]


def _literal(text: str) -> str:
    """The text without LIKE's wildcards."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")

"""Filling the catalogs in bulk: an own list's rows replace what has the same code, and add what is new."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

import msgspec

from app.catalog.tables import DrugClass, DrugForm, ItemKind
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch
from app.kernel.ids import new_id


class Icd10Row(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    name_en: str = ""
    name_zh: str = ""
    billable: bool = True


class DrugRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a drug has beside its price."""

    spec: str
    form: DrugForm
    form_name: str
    drug_class: DrugClass
    ingredients: list[str]
    dose_unit: str
    usual_dose: str
    usual_route: str
    usual_frequency: str


class PanelRow(msgspec.Struct, frozen=True, kw_only=True):
    specimen_kind: str
    container: str


class ItemRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the price list; a drug or a lab panel has more to say."""

    code: str
    name: str
    kind: ItemKind
    unit: str
    unit_price_micro_yuan: int
    drug: DrugRow | None = None
    panel: PanelRow | None = None


class TestRow(msgspec.Struct, frozen=True, kw_only=True):
    """A test of a panel with one of its ranges. A test with many ranges comes in many rows."""

    panel_code: str
    code: str
    name: str
    unit: str
    position: int
    sex: str = "0"
    age_days_from: int = 0
    age_days_below: int = 150 * 366
    low: Decimal | None = None
    high: Decimal | None = None
    critical_low: Decimal | None = None
    critical_high: Decimal | None = None


@action
async def put_icd10(actor: Actor, *, rows: Sequence[Icd10Row]) -> None:
    """Add or replace codes. An empty name leaves the known one, so that lists complete each other."""
    await fetch(
        "INSERT INTO icd10 AS known (code, name_en, name_zh, billable, searchable)"
        " SELECT code, name_en, name_zh, billable, lower(name_en || ' ' || name_zh)"
        " FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[])"
        "   AS given(code, name_en, name_zh, billable)"
        " ON CONFLICT (code) DO UPDATE SET"
        "   name_en = coalesce(nullif(excluded.name_en, ''), known.name_en),"
        "   name_zh = coalesce(nullif(excluded.name_zh, ''), known.name_zh),"
        "   billable = excluded.billable,"
        "   searchable = lower(coalesce(nullif(excluded.name_en, ''), known.name_en) || ' '"
        "     || coalesce(nullif(excluded.name_zh, ''), known.name_zh))",
        [row.code for row in rows],
        [row.name_en for row in rows],
        [row.name_zh for row in rows],
        [row.billable for row in rows],
    )


@action
async def put_items(actor: Actor, *, rows: Sequence[ItemRow]) -> None:
    """Add or replace priced items, and what a drug or lab panel has beside its price."""
    today = await clock.today()
    ids = await _put_prices(rows, today)
    await _put_drugs([(ids[row.code], row.name, row.drug) for row in rows if row.drug is not None])
    await _put_panels(
        [(ids[row.code], row.code, row.name, row.panel) for row in rows if row.panel is not None]
    )


async def _put_prices(rows: Sequence[ItemRow], valid_from: date) -> dict[str, UUID]:
    stored = await fetch(
        "INSERT INTO priced_item AS known (id, code, name, kind, unit, unit_price_micro_yuan, valid_from,"
        " active) SELECT *, $7::date, true"
        " FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])"
        " ON CONFLICT (code) DO UPDATE SET name = excluded.name, kind = excluded.kind,"
        "   unit = excluded.unit, active = true,"
        "   valid_from = CASE WHEN known.unit_price_micro_yuan = excluded.unit_price_micro_yuan"
        "     THEN known.valid_from ELSE excluded.valid_from END,"
        "   unit_price_micro_yuan = excluded.unit_price_micro_yuan"
        " RETURNING code, id",
        [new_id() for _ in rows],
        [row.code for row in rows],
        [row.name for row in rows],
        [str(row.kind) for row in rows],
        [row.unit for row in rows],
        [row.unit_price_micro_yuan for row in rows],
        valid_from,
    )
    return {row["code"]: row["id"] for row in stored}


async def _put_drugs(rows: Sequence[tuple[UUID, str, DrugRow]]) -> None:
    # An array of arrays cannot be unnested by row, so ingredients travel joined.
    await fetch(
        "INSERT INTO drug (id, item_id, name, spec, form, form_name, drug_class, ingredients, dose_unit,"
        " usual_dose, usual_route, usual_frequency)"
        " SELECT id, item_id, name, spec, form, form_name, drug_class, string_to_array(ingredients, ';'),"
        "   dose_unit, usual_dose, usual_route, usual_frequency"
        " FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],"
        "   $8::text[], $9::text[], $10::text[], $11::text[], $12::text[]) AS given(id, item_id, name,"
        "   spec, form, form_name, drug_class, ingredients, dose_unit, usual_dose, usual_route,"
        "   usual_frequency)"
        " ON CONFLICT (item_id) DO UPDATE SET name = excluded.name, spec = excluded.spec,"
        "   form = excluded.form, form_name = excluded.form_name, drug_class = excluded.drug_class,"
        "   ingredients = excluded.ingredients, dose_unit = excluded.dose_unit,"
        "   usual_dose = excluded.usual_dose, usual_route = excluded.usual_route,"
        "   usual_frequency = excluded.usual_frequency",
        [new_id() for _ in rows],
        [item_id for item_id, _, _ in rows],
        [name for _, name, _ in rows],
        [drug.spec for _, _, drug in rows],
        [str(drug.form) for _, _, drug in rows],
        [drug.form_name for _, _, drug in rows],
        [str(drug.drug_class) for _, _, drug in rows],
        [";".join(drug.ingredients) for _, _, drug in rows],
        [drug.dose_unit for _, _, drug in rows],
        [drug.usual_dose for _, _, drug in rows],
        [drug.usual_route for _, _, drug in rows],
        [drug.usual_frequency for _, _, drug in rows],
    )


async def _put_panels(rows: Sequence[tuple[UUID, str, str, PanelRow]]) -> None:
    await fetch(
        "INSERT INTO lab_panel (id, item_id, code, name, specimen_kind, container)"
        " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[])"
        " ON CONFLICT (code) DO UPDATE SET name = excluded.name, container = excluded.container,"
        "   specimen_kind = excluded.specimen_kind",
        [new_id() for _ in rows],
        [item_id for item_id, _, _, _ in rows],
        [code for _, code, _, _ in rows],
        [name for _, _, name, _ in rows],
        [panel.specimen_kind for _, _, _, panel in rows],
        [panel.container for _, _, _, panel in rows],
    )


@action
async def known_panel_codes(actor: Actor) -> set[str]:
    return {row["code"] for row in await fetch("SELECT code FROM lab_panel")}


@action
async def put_tests(actor: Actor, *, rows: Sequence[TestRow]) -> None:
    """Add or replace tests of known panels; a named test's ranges are replaced as a whole."""
    tests = {(row.panel_code, row.code): row for row in reversed(rows)}
    stored = await fetch(
        "INSERT INTO lab_test (id, panel_id, position, code, name, unit)"
        " SELECT given.id, p.id, position, given.code, given.name, unit"
        " FROM unnest($1::uuid[], $2::text[], $3::smallint[], $4::text[], $5::text[], $6::text[])"
        "   AS given(id, panel_code, position, code, name, unit) JOIN lab_panel p ON p.code = panel_code"
        " ON CONFLICT ON CONSTRAINT lab_test_once DO UPDATE SET position = excluded.position,"
        "   name = excluded.name, unit = excluded.unit"
        " RETURNING (SELECT code FROM lab_panel p WHERE p.id = panel_id) AS panel_code, code, id",
        [new_id() for _ in tests],
        [row.panel_code for row in tests.values()],
        [row.position for row in tests.values()],
        [row.code for row in tests.values()],
        [row.name for row in tests.values()],
        [row.unit for row in tests.values()],
    )
    ids = {(row["panel_code"], row["code"]): row["id"] for row in stored}
    assert ids.keys() == tests.keys(), "the caller names known panels only"
    await fetch("DELETE FROM lab_reference WHERE test_id = ANY($1)", list(ids.values()))
    await _add_references([(ids[row.panel_code, row.code], row) for row in rows])


async def _add_references(rows: Sequence[tuple[UUID, TestRow]]) -> None:
    await fetch(
        "INSERT INTO lab_reference (id, test_id, sex, age_days_from, age_days_below, low, high,"
        " critical_low, critical_high) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[],"
        " $4::integer[], $5::integer[], $6::numeric[], $7::numeric[], $8::numeric[], $9::numeric[])",
        [new_id() for _ in rows],
        [test_id for test_id, _ in rows],
        [row.sex for _, row in rows],
        [row.age_days_from for _, row in rows],
        [row.age_days_below for _, row in rows],
        [row.low for _, row in rows],
        [row.high for _, row in rows],
        [row.critical_low for _, row in rows],
        [row.critical_high for _, row in rows],
    )

"""Prices, drugs, panels and codes as the desks read them."""

from uuid import UUID

import httpx
import pytest

from app.catalog import queries
from app.catalog.loading import Icd10Row, put_icd10
from app.catalog.tables import ItemKind
from app.kernel.actor import system
from app.kernel.ids import new_id
from app.seed.hospital import put_catalog
from tests.make import identity
from tests.make.rows import value

SYSTEM = system("test")


@pytest.fixture
async def catalog(db: str) -> None:
    await put_catalog(SYSTEM)


async def id_of(table: str, code: str) -> UUID:
    return await value(
        f"SELECT t.id FROM {table} t JOIN priced_item i ON i.id = t.item_id WHERE i.code = $1", code
    )


async def test_a_price_is_found_by_id_and_code(catalog: None) -> None:
    by_code = await queries.price_by_code(SYSTEM, code="CONSULT-ORDINARY")
    assert (by_code.unit_price_micro_yuan, by_code.unit) == (10_000_000, "次")
    assert await queries.price_of(SYSTEM, item_id=by_code.item_id) == by_code
    listed = await queries.price_list(SYSTEM, kind=ItemKind.CONSULTATION)
    assert by_code in listed
    assert {price.kind for price in listed} == {ItemKind.CONSULTATION}


async def test_what_is_not_sold_any_more_is_not_found(catalog: None) -> None:
    price = await queries.price_by_code(SYSTEM, code="LAB-CBC")
    panel_id, drug_id = await id_of("lab_panel", "LAB-CBC"), await id_of("drug", "DRUG-0001")
    await value("UPDATE priced_item SET active = false")
    for refused, code in (
        (queries.price_of(SYSTEM, item_id=price.item_id), "item_not_found"),
        (queries.price_by_code(SYSTEM, code="LAB-CBC"), "item_not_found"),
        (queries.lab_panel(SYSTEM, panel_id=panel_id), "lab_panel_not_found"),
        (queries.drug(SYSTEM, drug_id=drug_id), "drug_not_found"),
    ):
        with pytest.raises(queries.NotFound) as refusal:
            await refused
        assert refusal.value.code == code
    assert await queries.search_drugs(SYSTEM) == []


async def test_a_drug_tells_what_an_allergy_and_a_limit_ask(catalog: None) -> None:
    drug = await queries.drug(SYSTEM, drug_id=await id_of("drug", "DRUG-0001"))
    assert drug.ingredients == ["amoxicillin", "penicillin", "beta-lactam"]
    assert (drug.drug_class, drug.form, drug.unit) == ("ordinary", "other", "盒")
    with pytest.raises(queries.DrugNotFound):
        await queries.drug(SYSTEM, drug_id=new_id())


@pytest.mark.parametrize("text", ["%", "_", "\\"])
async def test_wildcards_are_ordinary_characters(catalog: None, text: str) -> None:
    found = await queries.search_drugs(SYSTEM, text=text, limit=50)
    assert all(text in drug.name for drug in found)


async def test_codes_are_found_by_prefix_word_and_chinese(db: str) -> None:
    await put_icd10(
        SYSTEM,
        rows=[
            Icd10Row(code="J06.9", name_en="Acute upper respiratory infection", name_zh="急性上呼吸道感染"),
            Icd10Row(code="J20.9", name_en="Acute bronchitis"),
            Icd10Row(code="J06", name_en="Acute infections", billable=False),
        ],
    )

    async def found(text: str) -> list[str]:
        return [code.code for code in await queries.search_icd10(SYSTEM, text=text)]

    assert await found("j0") == ["J06.9"]
    assert await found("ACUTE") == ["J06.9", "J20.9"], "those with a Chinese name first"
    assert await found("acute bronch") == ["J20.9"]
    assert await found("上呼吸道") == ["J06.9"]
    assert await found("  ") == []
    assert await found("%") == []


async def test_the_desks_read_the_catalogs(client: httpx.AsyncClient, catalog: None) -> None:
    headers = identity.bearer(await identity.staff_token())
    panels = (await client.get("/api/staff/v1/lab-panels", headers=headers)).json()["items"]
    path = f"/api/staff/v1/lab-panels/{panels[0]['id']}"
    assert (await client.get(path, headers=headers)).json()["tests"]
    drugs = await client.get("/api/staff/v1/drugs?q=布洛芬&limit=2", headers=headers)
    assert len(drugs.json()["items"]) == 2
    assert (await client.get("/api/staff/v1/icd10?q=J", headers=headers)).json() == {"items": []}
    assert (await client.get("/api/staff/v1/icd10?q=J&limit=500", headers=headers)).status_code == 400
    # A zero character is valid in an address and in JSON, and no text of the database can hold it.
    refused = await client.get("/api/staff/v1/icd10?q=J%00", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed")
    assert (await client.get("/api/staff/v1/drugs", headers={})).status_code == 401

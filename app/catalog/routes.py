"""Catalogs for the desks: diagnosis codes, drugs, lab panels."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from app.catalog.queries import (
    DrugView,
    Icd10View,
    LabPanelBrief,
    LabPanelView,
    Price,
    lab_panel,
    lab_panels,
    priced_items,
    search_drugs,
    search_icd10,
)
from app.catalog.tables import ItemKind
from app.kernel.actor import Actor

Text = Annotated[str, QueryParameter(max_length=60)]
Limit = Annotated[int, QueryParameter(ge=1, le=50)]


class Icd10Found(msgspec.Struct, frozen=True):
    items: list[Icd10View]


class DrugsFound(msgspec.Struct, frozen=True):
    items: list[DrugView]


class PanelsFound(msgspec.Struct, frozen=True):
    items: list[LabPanelBrief]


class PricesFound(msgspec.Struct, frozen=True):
    items: list[Price]


@get("/prices/{kind:str}", permission="catalog.read")
async def list_prices(
    actor: NamedDependency[Actor], kind: FromPath[ItemKind], q: Text = "", limit: Limit = 50
) -> PricesFound:
    """The price list of one kind: what a ward may charge, what a window may name."""
    return PricesFound(await priced_items(actor, kind=kind, text=q, limit=limit))


@get("/icd10", permission="catalog.read")
async def find_icd10(actor: NamedDependency[Actor], q: Text, limit: Limit = 20) -> Icd10Found:
    """By code prefix, English words or Chinese name."""
    return Icd10Found(await search_icd10(actor, text=q, limit=limit))


@get("/drugs", permission="catalog.read")
async def find_drugs(actor: NamedDependency[Actor], q: Text = "", limit: Limit = 20) -> DrugsFound:
    return DrugsFound(await search_drugs(actor, text=q, limit=limit))


@get("/lab-panels", permission="catalog.read")
async def list_lab_panels(actor: NamedDependency[Actor], limit: Limit = 50) -> PanelsFound:
    return PanelsFound(await lab_panels(actor, limit=limit))


@get("/lab-panels/{panel_id:uuid}", permission="catalog.read")
async def read_lab_panel(actor: NamedDependency[Actor], panel_id: FromPath[UUID]) -> LabPanelView:
    return await lab_panel(actor, panel_id=panel_id)


router = Router(
    path="/api/staff/v1",
    route_handlers=[list_prices, find_icd10, find_drugs, list_lab_panels, read_lab_panel],
)

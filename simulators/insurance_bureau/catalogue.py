"""The national catalogue as this region applies it: a code's class, first self-pay share and highest price.

Codes are invented; names are those of the demo hospital's price list, so that it can match them. What is not
in the catalogue cannot be uploaded: the region refuses it, as real ones do, and never guesses a class.
"""

import csv
from decimal import Decimal
from importlib.resources import files

import msgspec

from simulators.insurance_bureau.benefits import Level
from simulators.insurance_bureau.refusals import refused
from simulators.store import Store

OTHER_FEES = "14"  # med_chrgitm_type


class Item(msgspec.Struct, frozen=True):
    """One entry. An empty price limit is none; prices are yuan."""

    med_list_codg: str
    name: str
    chrgitm_lv: Level
    selfpay_prop: str = "0"
    pric_uplmt: str = ""
    med_chrgitm_type: str = OTHER_FEES

    @property
    def price_limit(self) -> Decimal | None:
        return Decimal(self.pric_uplmt) if self.pric_uplmt else None


def fill(store: Store) -> None:
    """Write the region's own entries into a new catalogue."""
    if store.value("select count(*) from catalogue"):
        return
    text = files("simulators.insurance_bureau").joinpath("catalogue.csv").read_text(encoding="utf-8")
    with store.transaction():
        for row in csv.DictReader(text.splitlines()):
            put(store, msgspec.convert(row, Item))


def put(store: Store, item: Item) -> None:
    """Add an entry, or change what is known by its code; uploaded fees keep what they were told."""
    store.run(
        """insert or replace into catalogue
           values (:med_list_codg, :name, :chrgitm_lv, :selfpay_prop, :pric_uplmt, :med_chrgitm_type)""",
        **msgspec.structs.asdict(item),
    )


def item_of(store: Store, med_list_codg: str) -> Item:
    row = store.row("select * from catalogue where med_list_codg = :code", code=med_list_codg)
    if row is None:
        raise refused(f"医疗目录编码 {med_list_codg} 未匹配医保目录，请先完成目录对照")
    return msgspec.convert(dict(row), Item)


def items(store: Store) -> list[Item]:
    return [msgspec.convert(dict(row), Item) for row in store.rows("select * from catalogue order by 1")]

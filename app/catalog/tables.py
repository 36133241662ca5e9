"""What the hospital offers and charges, and the codes it speaks in."""

from enum import StrEnum

from piccolo.columns import (
    UUID,
    Array,
    BigInt,
    Boolean,
    Date,
    ForeignKey,
    Integer,
    Numeric,
    SmallInt,
    Text,
    Varchar,
)
from piccolo.constraints import Check, Unique
from piccolo.table import Table


class ItemKind(StrEnum):
    CONSULTATION = "consultation"
    LAB = "lab"
    DRUG = "drug"
    BED = "bed"
    NURSING = "nursing"
    TREATMENT = "treatment"
    MATERIAL = "material"


class DrugClass(StrEnum):
    ORDINARY = "ordinary"
    NARCOTIC = "narcotic"
    PSYCHOTROPIC1 = "psychotropic1"
    PSYCHOTROPIC2 = "psychotropic2"
    TOXIC = "toxic"


class DrugForm(StrEnum):
    """Only as fine as the supply limits need it."""

    INJECTION = "injection"
    SUSTAINED_RELEASE = "sustained_release"
    OTHER = "other"


class PricedItem(Table, tablename="priced_item"):
    """One line of the price list. Charges keep a copy of the price they were made at."""

    id = UUID(primary_key=True)
    code = Varchar(length=40, unique=True)
    name = Varchar(length=120)
    kind = Varchar(length=16, choices=ItemKind, index=True)
    unit = Varchar(length=20)
    unit_price_micro_yuan = BigInt()
    valid_from = Date()
    active = Boolean(default=True)

    priced_item_price_not_negative = Check("unit_price_micro_yuan >= 0")


class Drug(Table, tablename="drug"):
    id = UUID(primary_key=True)
    item_id = ForeignKey(references=PricedItem, unique=True)
    name = Varchar(length=120)
    spec = Varchar(length=60)
    form = Varchar(length=20, choices=DrugForm)
    form_name = Varchar(length=20)  # 片剂, 胶囊, 注射液 ...
    drug_class = Varchar(length=16, choices=DrugClass)
    ingredients = Array(base_column=Varchar(length=60))  # what an allergy names
    dose_unit = Varchar(length=20)
    usual_dose = Varchar(length=40)
    usual_route = Varchar(length=20)
    usual_frequency = Varchar(length=20)


class LabPanel(Table, tablename="lab_panel"):
    id = UUID(primary_key=True)
    item_id = ForeignKey(references=PricedItem, unique=True)
    code = Varchar(length=40, unique=True)
    name = Varchar(length=60)
    specimen_kind = Varchar(length=20)
    container = Varchar(length=40)


class LabTest(Table, tablename="lab_test"):
    id = UUID(primary_key=True)
    panel_id = ForeignKey(references=LabPanel)
    position = SmallInt()
    code = Varchar(length=40)
    name = Varchar(length=60)
    unit = Varchar(length=20)

    lab_test_once = Unique(["panel_id", "code"])


class LabReference(Table, tablename="lab_reference"):
    """A test's range for one sex (0: both) and ages in days, from inclusive to exclusive."""

    id = UUID(primary_key=True)
    test_id = ForeignKey(references=LabTest)
    sex = Varchar(length=1)
    age_days_from = Integer()
    age_days_below = Integer()
    low = Numeric(null=True, default=None)
    high = Numeric(null=True, default=None)
    critical_low = Numeric(null=True, default=None)
    critical_high = Numeric(null=True, default=None)

    lab_reference_once = Unique(["test_id", "sex", "age_days_from"])


class Icd10(Table, tablename="icd10"):
    """A diagnosis code. `searchable` is what a search looks through, in lower case."""

    code = Varchar(length=20, primary_key=True)
    name_en = Varchar(length=250)
    name_zh = Varchar(length=250, default="")
    billable = Boolean()  # the finest level: what a diagnosis may name
    searchable = Text()


TABLES: list[type[Table]] = [PricedItem, Drug, LabPanel, LabTest, LabReference, Icd10]

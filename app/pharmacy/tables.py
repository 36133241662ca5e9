"""What pharmacists decided and what left the pharmacy. Where a prescription stands is orders' matter."""

from enum import StrEnum

from piccolo.columns import UUID, Array, Date, ForeignKey, Numeric, Timestamptz, Varchar
from piccolo.constraints import Check
from piccolo.table import Table

from app.orders.tables import ClinicalOrder, PrescriptionLine


class ReviewDecision(StrEnum):
    PASS = "pass"  # noqa: S105 - a pharmacist's yes, not a password
    RETURN = "return"


class ReviewCategory(StrEnum):
    """Why a prescription goes back to its doctor."""

    LEGALITY = "legality"
    FORMAT = "format"
    APPROPRIATENESS = "appropriateness"


class Check4(StrEnum):
    """The four checks (四查) before drugs are handed over."""

    PRESCRIPTION = "prescription"  # department, name, age
    DRUG = "drug"  # name, form, strength, quantity
    COMPATIBILITY = "compatibility"  # appearance, use and dose
    DIAGNOSIS = "diagnosis"  # reasonable for what was found


class PrescriptionReview(Table, tablename="prescription_review"):
    id = UUID(primary_key=True)
    prescription_id = ForeignKey(references=ClinicalOrder, unique=True)
    decision = Varchar(length=8, choices=ReviewDecision)
    category = Varchar(length=16, null=True, default=None, choices=ReviewCategory)
    reason = Varchar(length=200, default="")
    reviewed_by = UUID()
    reviewed_at = Timestamptz()

    prescription_review_reason = Check("(decision = 'return') = (category IS NOT NULL AND reason <> '')")


class Dispensing(Table, tablename="dispensing"):
    """One handing over of one prescription: a second one cannot be stored."""

    id = UUID(primary_key=True)
    prescription_id = ForeignKey(references=ClinicalOrder, unique=True)
    window_id = UUID(null=True, default=None)
    checks = Array(base_column=Varchar(length=16))
    dispensed_by = UUID()
    dispensed_at = Timestamptz()


class DispensedLine(Table, tablename="dispensed_line"):
    """Which batch a patient got: a recall begins here."""

    id = UUID(primary_key=True)
    dispensing_id = ForeignKey(references=Dispensing, index=True)
    line_id = ForeignKey(references=PrescriptionLine, unique=True)
    batch_number = Varchar(length=40, index=True)
    expires_on = Date()
    quantity = Numeric(digits=(16, 4))


TABLES: list[type[Table]] = [PrescriptionReview, Dispensing, DispensedLine]

"""Reviews and batches of handed-over drugs as the patient's own copy shows them."""

from app.patients.copying import Section
from app.pharmacy.tables import ReviewDecision

DECISIONS = {ReviewDecision.PASS: "通过", ReviewDecision.RETURN: "退回医生"}

SECTIONS = [
    Section(
        name="prescription_reviews",
        title="药师审方",
        tables=("prescription_review",),
        sql="SELECT v.id, v.prescription_id, v.decision, v.reason, s.name AS pharmacist, v.reviewed_at"
        " FROM prescription_review v JOIN clinical_order o ON o.id = v.prescription_id"
        " LEFT JOIN staff s ON s.id = v.reviewed_by WHERE o.person_id = ANY($1)",
        fields={
            "id": "编号",
            "prescription_id": "处方编号",
            "decision": "结论",
            "reason": "原因",
            "pharmacist": "药师",
            "reviewed_at": "审核时间",
        },
        codes={"decision": DECISIONS},
    ),
    Section(
        name="dispensed_drugs",
        title="发药批号",
        tables=("dispensing", "dispensed_line"),
        sql="SELECT b.id, g.prescription_id, l.name, b.batch_number, b.expires_on, b.quantity,"
        " s.name AS pharmacist, g.dispensed_at FROM dispensed_line b"
        " JOIN dispensing g ON g.id = b.dispensing_id"
        " JOIN prescription_line l ON l.id = b.line_id JOIN clinical_order o ON o.id = g.prescription_id"
        " LEFT JOIN staff s ON s.id = g.dispensed_by WHERE o.person_id = ANY($1)",
        fields={
            "id": "编号",
            "prescription_id": "处方编号",
            "name": "药品",
            "batch_number": "批号",
            "expires_on": "有效期",
            "quantity": "数量",
            "pharmacist": "药师",
            "dispensed_at": "发药时间",
        },
    ),
]

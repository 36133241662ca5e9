"""Stays, beds and daily lines as the patient's own copy shows them."""

from app.inpatient.tables import AdmissionStatus, DailyChargeKind
from app.patients.copying import Section

STATUSES = {AdmissionStatus.IN_WARD: "在院", AdmissionStatus.DISCHARGED: "已出院"}
KINDS = {DailyChargeKind.NIGHTLY: "床位护理", DailyChargeKind.TREATMENT: "治疗"}

SECTIONS = [
    Section(
        name="stays",
        title="住院",
        tables=("admission",),
        sql="SELECT a.id, a.encounter_id, a.admission_no, w.name AS ward, a.status, a.admitted_at,"
        " a.discharged_at FROM admission a JOIN ward w ON w.id = a.ward_id WHERE a.person_id = ANY($1)",
        fields={
            "id": "编号",
            "encounter_id": "就诊编号",
            "admission_no": "住院号",
            "ward": "病区",
            "status": "状态",
            "admitted_at": "入院时间",
            "discharged_at": "出院时间",
        },
        codes={"status": STATUSES},
    ),
    Section(
        name="beds",
        title="床位",
        tables=("bed_binding",),
        sql="SELECT b.id, b.admission_id, d.label AS bed, b.from_at, b.to_at FROM bed_binding b"
        " JOIN bed d ON d.id = b.bed_id WHERE b.person_id = ANY($1)",
        fields={"id": "编号", "admission_id": "住院编号", "bed": "床位", "from_at": "开始", "to_at": "结束"},
    ),
    Section(
        name="daily_charges",
        title="住院日计费",
        tables=("daily_charge",),
        sql="SELECT c.id, c.admission_id, c.day, c.kind, i.name, c.quantity FROM daily_charge c"
        " JOIN admission a ON a.id = c.admission_id JOIN priced_item i ON i.id = c.item_id"
        " WHERE a.person_id = ANY($1)",
        fields={
            "id": "编号",
            "admission_id": "住院编号",
            "day": "日期",
            "kind": "类别",
            "name": "项目",
            "quantity": "数量",
        },
        codes={"kind": KINDS},
    ),
]

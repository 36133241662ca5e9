"""Visits, stays and diagnoses as the patient's own copy shows them."""

from app.encounters.tables import DiagnosisKind, EncounterKind, EncounterStatus
from app.patients.copying import Section

KINDS = {EncounterKind.OUTPATIENT: "门诊", EncounterKind.INPATIENT: "住院"}
STATUSES = {
    EncounterStatus.OPEN: "进行中",
    EncounterStatus.CLOSED: "已结束",
    EncounterStatus.CANCELLED: "已取消",
}
DIAGNOSES = {
    DiagnosisKind.PRIMARY: "主要诊断",
    DiagnosisKind.SECONDARY: "其他诊断",
    DiagnosisKind.SUSPECTED: "疑似诊断",
}

SECTIONS = [
    Section(
        name="visits",
        title="就诊和住院",
        tables=("encounter",),
        sql="SELECT e.id, e.kind, d.name AS department, s.name AS doctor, e.status, e.started_at, e.ended_at"
        " FROM encounter e JOIN department d ON d.id = e.department_id LEFT JOIN staff s ON s.id = e.staff_id"
        " WHERE e.person_id = ANY($1)",
        fields={
            "id": "编号",
            "kind": "类别",
            "department": "科室",
            "doctor": "医生",
            "status": "状态",
            "started_at": "开始时间",
            "ended_at": "结束时间",
        },
        codes={"kind": KINDS, "status": STATUSES},
    ),
    # While the visit goes on the doctor is about to say it; a paper is not the first to tell.
    Section(
        name="diagnoses",
        title="诊断",
        tables=("diagnosis",),
        sql="SELECT g.id, g.encounter_id, g.icd10_code, g.name, g.kind, s.name AS doctor, g.recorded_at"
        " FROM diagnosis g JOIN encounter e ON e.id = g.encounter_id"
        " LEFT JOIN staff s ON s.id = g.recorded_by WHERE e.person_id = ANY($1) AND e.status = 'closed'",
        fields={
            "id": "编号",
            "encounter_id": "就诊编号",
            "icd10_code": "ICD-10 编码",
            "name": "诊断名称",
            "kind": "类别",
            "doctor": "医生",
            "recorded_at": "记录时间",
        },
        codes={"kind": DIAGNOSES},
    ),
    Section(
        name="timeline",
        title="就诊经过",
        tables=("timeline_entry",),
        sql="SELECT id, at, title FROM timeline_entry WHERE person_id = ANY($1)",
        fields={"id": "编号", "at": "时间", "title": "事项"},
    ),
]

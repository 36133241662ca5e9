"""Requests about one's own data as the patient's own copy shows them, and what a copy leaves out."""

from app.patients.copying import Section
from app.rights.requests import opened
from app.rights.tables import RequestKind, RequestStatus, StepKind
from app.rights.words import TOPICS

KINDS = {RequestKind.CORRECTION: "更正", RequestKind.DELETION: "删除"}
STATUSES = {
    RequestStatus.RECEIVED: "待答复",
    RequestStatus.ACCEPTED: "已办理",
    RequestStatus.PARTLY: "部分办理",
    RequestStatus.REFUSED: "未予办理",
    RequestStatus.WITHDRAWN: "已撤回",
}
STEPS = {
    StepKind.REMOVED: "已删除",
    StepKind.CORRECTED: "已更正",
    StepKind.FORWARDED: "已转交",
    StepKind.KEPT: "依法保存",
}


SECTIONS = [
    Section(
        name="data_requests",
        title="更正和删除申请",
        tables=("data_request",),
        sql="SELECT id, kind, topics, text, status, asked_at, due_on, answer, decided_at FROM data_request"
        " WHERE person_id = ANY($1)",
        fields={
            "id": "编号",
            "kind": "类别",
            "topics": "项目",
            "text": "申请内容",
            "status": "状态",
            "asked_at": "申请时间",
            "due_on": "答复期限",
            "answer": "答复",
            "decided_at": "答复时间",
        },
        codes={"kind": KINDS, "topics": TOPICS, "status": STATUSES},
        shape=opened,
    ),
    Section(
        name="data_request_steps",
        title="申请的办理步骤",
        tables=("data_request_step",),
        sql="SELECT s.id, s.request_id, s.position, s.kind, s.topic, s.text, s.affected, s.law, s.kept_until"
        " FROM data_request_step s JOIN data_request r ON r.id = s.request_id WHERE r.person_id = ANY($1)",
        fields={
            "id": "编号",
            "request_id": "申请编号",
            "position": "序号",
            "kind": "办理",
            "topic": "项目",
            "text": "说明",
            "affected": "条数",
            "law": "依据",
            "kept_until": "至少保存至",
        },
        codes={"kind": STEPS, "topic": TOPICS},
    ),
    Section(
        name="data_exports",
        title="取得的副本",
        tables=("data_export",),
        sql="SELECT id, asked_at, expires_at FROM data_export WHERE person_id = ANY($1)",
        fields={"id": "编号", "asked_at": "申请时间", "expires_at": "可取至"},
    ),
]

# Walled tables that no section copies, and why. tests/rights/test_exports.py knows all walled tables.
NOT_COPIED: dict[str, str] = {
    "alert": "how a ward was called; what came of it stands in the record",
    "alert_step": "the same, with who answered when",
    "critical_value": "how the house told its doctors; the value stands in its report",
    "analyser_message": "a machine's message number and a hash",
    "wristband": "a secret around the wrist, sealed",
    "bedside_session": "a secret of a terminal for some seconds",
    "kiosk_identification": "a secret of a kiosk for ninety seconds; its row is wiped",
    "pay_notice": "what a payment channel told about its payer, sealed; the payment itself is copied",
}

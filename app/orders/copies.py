"""Orders and prescriptions as the patient's own copy shows them. Drafts are the doctor's."""

from app.orders.queries import FREQUENCY_NAMES, MARK_NAMES
from app.orders.tables import (
    ControlledUse,
    DispenseStatus,
    OrderKind,
    OrderStatus,
    PaymentStatus,
    PrescriptionMark,
)
from app.patients.copying import Section

KINDS = {OrderKind.LAB: "检验", OrderKind.DRUG: "药品"}
STATUSES = {
    OrderStatus.DRAFT: "草稿",
    OrderStatus.SIGNED: "已开立",
    OrderStatus.REJECTED: "审核退回",
    OrderStatus.VERIFIED: "已审核",
    OrderStatus.ACTIVE: "待执行",
    OrderStatus.EXECUTING: "执行中",
    OrderStatus.DONE: "已完成",
    OrderStatus.STOPPED: "已停止",
    OrderStatus.CANCELLED: "已取消",
}
PAYMENTS = {
    PaymentStatus.UNPAID: "未缴费",
    PaymentStatus.PAID: "已缴费",
    PaymentStatus.REFUNDING: "退费中",
    PaymentStatus.REFUNDED: "已退费",
}
DISPENSING = {
    DispenseStatus.UNPAID: "未缴费",
    DispenseStatus.TO_REVIEW: "待审方",
    DispenseStatus.TO_PREPARE: "待配药",
    DispenseStatus.READY: "请取药",
    DispenseStatus.DISPENSED: "已发药",
    DispenseStatus.RETURNED: "已退回医生",
    DispenseStatus.CANCELLED: "已取消",
}
MARKS = MARK_NAMES | {PrescriptionMark.ORDINARY: "普通"}
USES = {ControlledUse.PAIN: "疼痛治疗", ControlledUse.ADHD: "注意缺陷多动障碍治疗"}

SECTIONS = [
    Section(
        name="orders",
        title="医嘱",
        tables=("clinical_order", "order_submission", "lab_request"),
        sql="SELECT o.id, o.encounter_id, o.kind, o.title, o.status, o.payment, s.name AS doctor,"
        " o.ordered_at, o.signed_at, o.ended_at, o.end_reason, l.specimen_kind FROM clinical_order o"
        " LEFT JOIN staff s ON s.id = o.ordered_by LEFT JOIN lab_request l ON l.id = o.id"
        " WHERE o.person_id = ANY($1) AND o.signed_at IS NOT NULL",
        fields={
            "id": "编号",
            "encounter_id": "就诊编号",
            "kind": "类别",
            "title": "内容",
            "specimen_kind": "标本种类",
            "status": "状态",
            "payment": "缴费",
            "doctor": "医生",
            "ordered_at": "录入时间",
            "signed_at": "开立时间",
            "ended_at": "结束时间",
            "end_reason": "结束原因",
        },
        codes={"kind": KINDS, "status": STATUSES, "payment": PAYMENTS},
    ),
    Section(
        name="prescriptions",
        title="处方",
        tables=("prescription",),
        sql="SELECT p.id, o.encounter_id, p.mark, p.longer_reason, p.valid_until, p.dispense,"
        " p.window_name AS pharmacy_window, p.dispensed_at, s.name AS doctor, o.signed_at"
        " FROM prescription p JOIN clinical_order o ON o.id = p.id LEFT JOIN staff s ON s.id = o.ordered_by"
        " WHERE o.person_id = ANY($1) AND o.signed_at IS NOT NULL",
        fields={
            "id": "编号",
            "encounter_id": "就诊编号",
            "mark": "处方类别",
            "longer_reason": "延长用量理由",
            "valid_until": "有效至",
            "dispense": "取药状态",
            "pharmacy_window": "取药窗口",
            "dispensed_at": "发药时间",
            "doctor": "医生",
            "signed_at": "开立时间",
        },
        codes={"mark": MARKS, "dispense": DISPENSING},
    ),
    Section(
        name="prescription_lines",
        title="处方药品",
        tables=("prescription_line",),
        sql="SELECT l.id, l.prescription_id, l.position, l.name, l.spec, l.dose, l.route, l.frequency,"
        " l.days, l.quantity FROM prescription_line l JOIN clinical_order o ON o.id = l.prescription_id"
        " WHERE o.person_id = ANY($1) AND o.signed_at IS NOT NULL",
        fields={
            "id": "编号",
            "prescription_id": "处方编号",
            "position": "序号",
            "name": "药品",
            "spec": "规格",
            "dose": "每次用量",
            "route": "用法",
            "frequency": "频次",
            "days": "天数",
            "quantity": "数量",
        },
        codes={"frequency": FREQUENCY_NAMES},
    ),
    Section(
        name="controlled_registrations",
        title="特殊药品长期使用登记",
        tables=("controlled_registration",),
        sql="SELECT c.id, c.use, s.name AS doctor, c.registered_at, c.valid_to FROM controlled_registration c"
        " LEFT JOIN staff s ON s.id = c.registered_by WHERE c.person_id = ANY($1)",
        fields={
            "id": "编号",
            "use": "用途",
            "doctor": "登记医生",
            "registered_at": "登记时间",
            "valid_to": "有效至",
        },
        codes={"use": USES},
    ),
    # What a phone may not open yet, because a doctor must say it first, is not in the copy either.
    Section(
        name="reports",
        title="检验报告",
        tables=("report",),
        sql="SELECT r.id, r.encounter_id, r.title, r.version, r.corrects_id, r.abnormal_count, r.released_at,"
        " r.read_at FROM report r WHERE r.person_id = ANY($1) AND r.status = 'released'"
        " AND NOT jiuyi.needs_handover(r.id)",
        fields={
            "id": "编号",
            "encounter_id": "就诊编号",
            "title": "名称",
            "version": "版本",
            "corrects_id": "更正的报告",
            "abnormal_count": "异常项数",
            "released_at": "发布时间",
            "read_at": "首次查看",
        },
    ),
]

"""Tubes and results as the patient's own copy shows them."""

from app.laboratory.tables import RejectReason, ResultFlag, SpecimenStatus
from app.patients.copying import Section

STATUSES = {
    SpecimenStatus.LABELLED: "待采集",
    SpecimenStatus.COLLECTED: "已采集",
    SpecimenStatus.IN_TRANSIT: "运送中",
    SpecimenStatus.RECEIVED: "已接收",
    SpecimenStatus.REJECTED: "不合格",
    SpecimenStatus.RESULTED: "已检测",
    SpecimenStatus.VERIFIED: "已审核",
    SpecimenStatus.RELEASED: "已发布",
    SpecimenStatus.DISCARDED: "已作废",
}
REJECTIONS = {
    RejectReason.WRONG_TYPE: "标本类型错误",
    RejectReason.WRONG_CONTAINER: "容器错误",
    RejectReason.WRONG_VOLUME: "采集量错误",
    RejectReason.CLOTTED: "凝血",
    RejectReason.CONTAMINATED: "污染",
    RejectReason.LABEL_ERROR: "标签错误",
    RejectReason.HAEMOLYSIS: "溶血",
}
FLAGS = {
    ResultFlag.NORMAL: "正常",
    ResultFlag.HIGH: "偏高",
    ResultFlag.LOW: "偏低",
    ResultFlag.CRITICAL_HIGH: "危急偏高",
    ResultFlag.CRITICAL_LOW: "危急偏低",
}

SECTIONS = [
    Section(
        name="specimens",
        title="检验标本",
        tables=("specimen", "specimen_order"),
        sql="SELECT p.id, p.encounter_id, p.barcode, p.specimen_kind, p.container, p.status, p.collected_at,"
        " p.received_at, p.reject_reason,"
        " ARRAY(SELECT o.order_id FROM specimen_order o WHERE o.specimen_id = p.id ORDER BY o.id) AS orders"
        " FROM specimen p WHERE p.person_id = ANY($1)",
        fields={
            "id": "编号",
            "encounter_id": "就诊编号",
            "barcode": "条码",
            "specimen_kind": "标本种类",
            "container": "容器",
            "status": "状态",
            "collected_at": "采集时间",
            "received_at": "接收时间",
            "reject_reason": "不合格原因",
            "orders": "医嘱编号",
        },
        codes={"status": STATUSES, "reject_reason": REJECTIONS},
    ),
    # The header decides who may read: released, and no dangerous value that still waits for its doctor.
    Section(
        name="results",
        title="检验结果",
        tables=("lab_report", "lab_result"),
        sql="SELECT l.id, l.report_id, l.position, l.code, l.name, l.value, l.unit, l.low, l.high, l.flag"
        " FROM lab_result l JOIN report r ON r.id = l.report_id WHERE r.person_id = ANY($1)"
        " AND r.status = 'released' AND NOT jiuyi.needs_handover(r.id)",
        fields={
            "id": "编号",
            "report_id": "报告编号",
            "position": "序号",
            "code": "项目代码",
            "name": "项目",
            "value": "结果",
            "unit": "单位",
            "low": "参考下限",
            "high": "参考上限",
            "flag": "提示",
        },
        codes={"flag": FLAGS},
    ),
]

"""Appointments and notes as the patient's own copy shows them."""

from app.outpatient.tables import AppointmentStatus, HalfDay, VisitType
from app.patients.copying import Section

STATUSES = {
    AppointmentStatus.HELD: "待支付",
    AppointmentStatus.BOOKED: "已预约",
    AppointmentStatus.ARRIVED: "已签到",
    AppointmentStatus.FULFILLED: "已就诊",
    AppointmentStatus.EXPIRED: "超时未付",
    AppointmentStatus.CANCELLED: "已取消",
    AppointmentStatus.NO_SHOW: "未到",
    AppointmentStatus.CLOSED_LATE_PAY: "付款过迟，已退款",
}
HALF_DAYS = {HalfDay.MORNING: "上午", HalfDay.AFTERNOON: "下午"}
VISITS = {VisitType.ORDINARY: "普通", VisitType.EXPERT: "专家"}

SECTIONS = [
    Section(
        name="appointments",
        title="预约挂号",
        tables=("appointment",),
        sql="SELECT a.id, a.held_on, a.half_day, a.visit_type, a.seq_no, d.name AS department,"
        " s.name AS doctor, a.starts_at, a.ends_at, a.status, a.fee_fen, a.held_at, a.booked_at,"
        " a.arrived_at, a.ended_at FROM appointment a JOIN department d ON d.id = a.department_id"
        " JOIN staff s ON s.id = a.staff_id WHERE a.person_id = ANY($1)",
        fields={
            "id": "编号",
            "held_on": "就诊日期",
            "half_day": "午别",
            "visit_type": "号别",
            "seq_no": "号序",
            "department": "科室",
            "doctor": "医生",
            "starts_at": "时段开始",
            "ends_at": "时段结束",
            "status": "状态",
            "fee_fen": "挂号费（分）",
            "held_at": "占号时间",
            "booked_at": "预约时间",
            "arrived_at": "签到时间",
            "ended_at": "结束时间",
        },
        codes={"half_day": HALF_DAYS, "visit_type": VISITS, "status": STATUSES},
    ),
    Section(
        name="notes",
        title="门诊病历",
        tables=("consultation_note",),
        sql="SELECT n.id, n.encounter_id, n.version, n.chief_complaint, n.history, n.advice,"
        " s.name AS doctor, n.written_at FROM consultation_note n JOIN encounter e ON e.id = n.encounter_id"
        " LEFT JOIN staff s ON s.id = n.written_by WHERE e.person_id = ANY($1) AND e.status = 'closed'",
        fields={
            "id": "编号",
            "encounter_id": "就诊编号",
            "version": "版本",
            "chief_complaint": "主诉",
            "history": "现病史",
            "advice": "处理意见",
            "doctor": "医生",
            "written_at": "书写时间",
        },
    ),
]

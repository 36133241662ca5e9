"""Tickets and calls as the patient's own copy shows them."""

from app.patients.copying import Section
from app.queueing.tables import TicketStatus

STATUSES = {
    TicketStatus.REGISTERED: "未签到",
    TicketStatus.WAITING: "候诊",
    TicketStatus.ROOM_WAIT: "诊室门口候诊",
    TicketStatus.CALLED: "已叫号",
    TicketStatus.IN_CONSULT: "就诊中",
    TicketStatus.OUT_FOR_TEST: "检查中",
    TicketStatus.MISSED: "过号",
    TicketStatus.ABANDONED: "多次过号",
    TicketStatus.DONE: "完成",
}

SECTIONS = [
    Section(
        name="tickets",
        title="排队叫号",
        tables=("ticket", "ticket_call"),
        sql="SELECT t.id, t.held_on, q.name AS queue, t.number, t.status, t.misses, t.joined_at,"
        " t.called_at, ARRAY(SELECT c.called_at FROM ticket_call c WHERE c.ticket_id = t.id"
        " ORDER BY c.called_at) AS calls, t.started_at, t.ended_at FROM ticket t"
        " JOIN queue q ON q.id = t.queue_id WHERE t.person_id = ANY($1)",
        fields={
            "id": "编号",
            "held_on": "日期",
            "queue": "队列",
            "number": "号码",
            "status": "状态",
            "misses": "过号次数",
            "joined_at": "排队时间",
            "called_at": "最近叫号",
            "calls": "历次叫号",
            "started_at": "开始时间",
            "ended_at": "结束时间",
        },
        codes={"status": STATUSES},
    ),
]

"""The words in which a patient reads who looked at what: data, checked against the policy and the tables."""

from app.identity.roles import DeviceKind, Role
from app.patients.binding import Relation
from app.patients.tables import BreakGlassReason, CareReason
from app.rights.tables import Topic

ROLES: dict[str, str] = {
    Role.DOCTOR: "医生",
    Role.NURSE: "护士",
    Role.PHARMACIST: "药师",
    Role.TECHNICIAN: "检验技师",
    Role.CASHIER: "收费员",
    Role.REGISTRAR: "挂号员",
    Role.SYSTEM_ADMIN: "系统管理员",
    Role.SECURITY_ADMIN: "安全管理员",
    Role.AUDIT_ADMIN: "审计管理员",
    Role.KIOSK: "自助机",
    Role.HALL_DISPLAY: "候诊大屏",
    Role.BEDSIDE: "床旁终端",
    Role.NURSE_STATION: "护士站",
    Role.WINDOW_DISPLAY: "窗口屏",
    Role.ACCOUNT: "家人账号",
    Role.PARTNER: "合作系统",
}
DEVICES: dict[str, str] = {kind: ROLES[kind] for kind in DeviceKind}

# What the account's owner is to the person. A binding says it the other way round (GB/T 4761).
READER_IS: dict[str, str] = {
    Relation.SELF: "本人账号",
    Relation.SPOUSE: "配偶",
    Relation.SON: "父母",
    Relation.DAUGHTER: "父母",
    Relation.GRANDCHILD: "祖父母",
    Relation.PARENT: "子女",
    Relation.GRANDPARENT: "孙子女",
    Relation.SIBLING: "兄弟姐妹",
    Relation.OTHER: "其他家人",
}

WHY: dict[str, str] = {
    CareReason.CHECK_IN: "您在该科室签到就诊",
    CareReason.CONSULTATION: "为您看诊",
    CareReason.ADMISSION: "您在该病区住院",
    CareReason.TRANSFER: "您转到该病区",
    CareReason.ORDER: "执行您的医嘱",
    CareReason.DISPENSING: "为您配药发药",
    CareReason.TERMINAL: "您使用了这台设备",
    CareReason.BREAK_GLASS: "紧急调阅",
}
GLASS_WHY: dict[str, str] = {
    BreakGlassReason.EMERGENCY: "抢救生命",
    BreakGlassReason.UNCONSCIOUS: "患者无法表达",
    BreakGlassReason.CONSULTATION: "会诊",
    BreakGlassReason.COVER: "代班",
}

TOPICS: dict[Topic, str] = {
    Topic.NAME: "姓名",
    Topic.PHONE: "手机号",
    Topic.ADDRESS: "地址",
    Topic.CLINICAL: "病历内容",
    Topic.BINDINGS: "账号绑定",
    Topic.CONSENTS: "各项同意",
    Topic.MESSAGES: "手机消息",
    Topic.RECORDS: "病历和处方",
    Topic.BILLS: "费用记录",
}

SOMETHING = "其他资料"

# What somebody did with a permission, for each that opens a patient's rows. Several may be one thing.
THINGS: dict[str, str] = {
    **dict.fromkeys(("person.list", "person.read", "person.bind", "person.unbind"), "基本信息"),
    "person.unmask": "完整的证件号或手机号",
    **dict.fromkeys(("allergy.record",), "过敏史"),
    **dict.fromkeys(("consent.list", "consent.give", "consent.withdraw"), "授权与同意"),
    **dict.fromkeys(
        ("access.list", "access_history.read", "invitation.list", "invitation.create", "invitation.withdraw",
         "invitation.accept", "proxy.revoke", "desk_binding.list", "desk_binding.prove", "desk_binding.end",
         "desk_invitation.create"), "家人代办与授权"),
    **dict.fromkeys(("break_glass.open", "break_glass.list", "break_glass.review"), "紧急调阅"),
    **dict.fromkeys(
        ("appointment.book", "appointment.read", "appointment.pay", "appointment.cancel",
         "appointment.check_in", "appointment.undo_check_in"), "预约挂号"),
    **dict.fromkeys(("bill.read", "bill.pay", "fee.read", "daily_charge.add"), "费用和账单"),
    **dict.fromkeys(("deposit.read", "bedside.pay"), "住院预交金"),
    **dict.fromkeys(
        ("ticket.read", "queue.read", "queue.call_to_room", "queue.call_to_window", "ticket.recall",
         "ticket.miss", "ticket.serve", "ticket.to_door", "ticket.readmit"), "排队叫号"),
    **dict.fromkeys(
        ("my_report.read", "report.read", "report.verify", "report.release", "report.correct"), "检验报告"),
    **dict.fromkeys(
        ("my_prescription.read", "prescription.read", "prescription.extend", "prescription.list",
         "prescription.review", "prescription.call", "prescription.dispense"), "处方"),
    "audit.read_record": "档案的历史版本",
    "access_log.read": "谁看过资料的记录",
    "controlled_use.register": "特殊药品登记",
    "timeline.read": "就诊经过",
    "message.read": "消息",
    **dict.fromkeys(("visit.start", "visit.send_for_test", "visit.read", "visit.finish"), "就诊记录"),
    "note.write": "病历",
    "diagnosis.record": "诊断",
    **dict.fromkeys(
        ("order.read", "order.place", "order.submit", "order.withdraw", "order.cancel", "order.stop"),
        "医嘱"),
    **dict.fromkeys(("critical_value.read", "critical_value.acknowledge", "critical_value.handle"), "危急值"),
    **dict.fromkeys(
        ("specimen.label", "specimen.list", "specimen.read", "specimen.scan", "specimen.collect",
         "specimen.discard", "specimen.send", "specimen.receive", "specimen.reject", "lab_result.take"),
        "检验标本"),
    **dict.fromkeys(
        ("admission.admit", "admission.read", "admission.move", "admission.discharge", "ward.read",
         "wristband.read", "wristband.renew"), "住院信息"),
    **dict.fromkeys(
        ("alert.read", "alert.display", "alert.accept", "alert.handle", "nurse_call.raise"),
        "病区呼叫和告警"),
    **dict.fromkeys(("bedside.unlock", "bedside.read", "bedside.lock", "bedside.prove"), "床旁终端"),
    **dict.fromkeys(("kiosk.identify", "kiosk.check_in"), "自助机就诊信息"),
    **dict.fromkeys(
        ("realtime.listen", "stream.zone", "stream.room", "stream.window", "stream.ward", "stream.account",
         "stream.bed"), "实时提醒"),
    **dict.fromkeys(("data_export.create", "data_export.read"), "全部资料的副本"),
    **dict.fromkeys(
        ("data_request.create", "data_request.list", "data_request.withdraw", "data_request.read",
         "data_request.answer", "desk_data_request.create"), "更正或删除申请"),
}  # fmt: skip

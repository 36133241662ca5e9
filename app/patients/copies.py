"""A person's own rows as their copy shows them."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from app.patients.binding import Relation
from app.patients.copying import Section
from app.patients.queries import masked
from app.patients.tables import BreakGlassReason, CareReason, ConsentCode, Proof, Scope, Sex, Verdict

SEXES = {Sex.UNKNOWN: "未知", Sex.MALE: "男", Sex.FEMALE: "女", Sex.NOT_STATED: "未说明"}
RELATIONS = {
    Relation.SELF: "本人",
    Relation.SPOUSE: "配偶",
    Relation.SON: "子",
    Relation.DAUGHTER: "女",
    Relation.GRANDCHILD: "孙子女",
    Relation.PARENT: "父母",
    Relation.GRANDPARENT: "祖父母",
    Relation.SIBLING: "兄弟姐妹",
    Relation.OTHER: "其他",
}
PROOFS = {
    Proof.ID_AND_NAME: "姓名和证件号",
    Proof.PHONE: "登记的手机号",
    Proof.GUARDIAN: "监护人",
    Proof.WINDOW: "窗口核验",
    Proof.GRANTED: "本人邀请",
}
SCOPES = {Scope.BOOK: "预约", Scope.PAY: "缴费", Scope.READ: "查看报告"}
CONSENTS = {
    ConsentCode.PRIVACY: "隐私政策",
    ConsentCode.SENSITIVE_HEALTH: "医疗健康信息单独同意",
    ConsentCode.MINORS: "未成年人信息监护人同意",
    ConsentCode.FAMILY_SHARING: "与家人共享",
    ConsentCode.RESEARCH: "医学研究",
}
GLASS = {
    BreakGlassReason.EMERGENCY: "抢救生命",
    BreakGlassReason.UNCONSCIOUS: "患者无法表达",
    BreakGlassReason.CONSULTATION: "会诊",
    BreakGlassReason.COVER: "代班",
}
VERDICTS = {Verdict.JUSTIFIED: "符合规定", Verdict.UNJUSTIFIED: "不符合规定"}
CARE = {
    CareReason.CHECK_IN: "签到就诊",
    CareReason.CONSULTATION: "看诊",
    CareReason.ADMISSION: "入院",
    CareReason.TRANSFER: "转科",
    CareReason.ORDER: "执行医嘱",
    CareReason.DISPENSING: "配药发药",
    CareReason.TERMINAL: "使用设备",
    CareReason.BREAK_GLASS: "紧急调阅",
}


def _identity(row: asyncpg.Record) -> Mapping[str, Any]:
    """Numbers stay masked: whoever holds an unlocked phone must not carry away what opens bank accounts.

    The person knows their own; a window shows them to who brings the card.
    """
    return {
        **dict(row),
        "id_number": masked(row, "id_number"),
        "phone": masked(row, "phone"),
        "address": masked(row, "address"),
    }


SECTIONS = [
    Section(
        name="identity",
        title="身份信息",
        tables=("person", "person_link"),
        sql="SELECT id, name, sex, born_on, id_number, phone, address, created_at FROM person"
        " WHERE id = ANY($1)",
        fields={
            "id": "档案编号",
            "name": "姓名",
            "sex": "性别",
            "born_on": "出生日期",
            "id_number": "证件号（遮盖）",
            "phone": "手机号（遮盖）",
            "address": "地址（遮盖）",
            "created_at": "建档时间",
        },
        codes={"sex": SEXES},
        shape=_identity,
    ),
    Section(
        name="bindings",
        title="代办账号",
        tables=("binding",),
        sql="SELECT id, relation, guardian, proof, scopes, valid_from, read_until, valid_to FROM binding"
        " WHERE person_id = ANY($1)",
        fields={
            "id": "编号",
            "relation": "您是账号所有人的",
            "guardian": "监护人",
            "proof": "核验方式",
            "scopes": "可办事项",
            "valid_from": "开始时间",
            "read_until": "监护人可查看至",
            "valid_to": "结束时间",
        },
        codes={"relation": RELATIONS, "proof": PROOFS, "scopes": SCOPES},
    ),
    Section(
        name="invitations",
        title="发出的邀请",
        tables=("invitation",),
        sql="SELECT id, scopes, created_at, expires_at, ends_at, accepted_at, withdrawn_at FROM invitation"
        " WHERE person_id = ANY($1)",
        fields={
            "id": "编号",
            "scopes": "可办事项",
            "created_at": "发出时间",
            "expires_at": "邀请码失效时间",
            "ends_at": "授权截止",
            "accepted_at": "接受时间",
            "withdrawn_at": "撤回时间",
        },
        codes={"scopes": SCOPES},
    ),
    Section(
        name="consents",
        title="知情同意",
        tables=("consent",),
        sql="SELECT id, code, version, by_guardian, given_at, valid_to, withdrawn_at FROM consent"
        " WHERE person_id = ANY($1)",
        fields={
            "id": "编号",
            "code": "文件",
            "version": "版本",
            "by_guardian": "由监护人同意",
            "given_at": "同意时间",
            "valid_to": "有效至",
            "withdrawn_at": "撤回时间",
        },
        codes={"code": CONSENTS},
    ),
    Section(
        name="allergies",
        title="过敏史",
        tables=("allergy",),
        sql="SELECT id, substance_name, reaction, recorded_at FROM allergy WHERE person_id = ANY($1)",
        fields={"id": "编号", "substance_name": "过敏物质", "reaction": "反应", "recorded_at": "记录时间"},
    ),
    Section(
        name="care_relations",
        title="诊疗关系（谁可以查看）",
        tables=("care_relation",),
        sql="SELECT c.id, c.reason, s.name AS staff, d.name AS department, w.name AS ward,"
        " v.place_name AS device, c.valid_from, c.valid_to FROM care_relation c"
        " LEFT JOIN staff s ON s.id = c.staff_id LEFT JOIN department d ON d.id = c.department_id"
        " LEFT JOIN ward w ON w.id = c.ward_id LEFT JOIN device v ON v.id = c.device_id"
        " WHERE c.person_id = ANY($1)",
        fields={
            "id": "编号",
            "reason": "原因",
            "staff": "医务人员",
            "department": "科室",
            "ward": "病区",
            "device": "设备位置",
            "valid_from": "开始时间",
            "valid_to": "结束时间",
        },
        codes={"reason": CARE},
    ),
    Section(
        name="break_glass",
        title="紧急调阅",
        tables=("break_glass",),
        sql="SELECT b.id, s.name AS staff, s.title, b.reason, b.explanation, b.opened_at, b.ends_at,"
        " b.verdict FROM break_glass b JOIN staff s ON s.id = b.staff_id WHERE b.person_id = ANY($1)",
        fields={
            "id": "编号",
            "staff": "医务人员",
            "title": "职称",
            "reason": "原因",
            "explanation": "说明",
            "opened_at": "开始时间",
            "ends_at": "结束时间",
            "verdict": "审核结论",
        },
        codes={"reason": GLASS, "verdict": VERDICTS},
    ),
]

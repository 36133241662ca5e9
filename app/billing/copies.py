"""Bills, payments and refunds as the patient's own copy shows them. Who paid is somebody else's matter."""

from app.billing.tables import (
    AttemptStatus,
    BillKind,
    BillStatus,
    ChannelName,
    Fulfilment,
    RefundReason,
    RefundStatus,
)
from app.patients.copying import Section

KINDS = {BillKind.REGISTRATION: "挂号", BillKind.OUTPATIENT: "门诊", BillKind.DEPOSIT: "住院预交金"}
BILLS = {
    BillStatus.OPEN: "待支付",
    BillStatus.LOCKED: "待支付（已锁定）",
    BillStatus.PAYING: "支付中",
    BillStatus.PAID: "已支付",
    BillStatus.PART_REFUNDED: "部分退款",
    BillStatus.REFUNDED: "已退款",
    BillStatus.EXPIRED: "已过期",
    BillStatus.CANCELLED: "已取消",
}
FULFILMENTS = {
    Fulfilment.PENDING: "未执行",
    Fulfilment.FULFILLED: "已执行",
    Fulfilment.REFUNDED: "已退费",
    Fulfilment.VOID: "已作废",
}
CHANNELS = {ChannelName.WECHAT: "微信支付", ChannelName.ALIPAY: "支付宝"}
ATTEMPTS = {
    AttemptStatus.CREATED: "已创建",
    AttemptStatus.SUBMITTED: "已提交",
    AttemptStatus.AWAITING_PAYER: "等待付款",
    AttemptStatus.UNKNOWN: "结果待查",
    AttemptStatus.SUCCEEDED: "成功",
    AttemptStatus.SUCCEEDED_LATE: "过迟到账",
    AttemptStatus.PART_REFUNDED: "部分退款",
    AttemptStatus.REFUNDED: "已退款",
    AttemptStatus.FAILED: "失败",
    AttemptStatus.CLOSED: "已关闭",
}
REASONS = {
    RefundReason.LATE: "付款过迟",
    RefundReason.TWICE: "重复付款",
    RefundReason.REQUESTED: "申请退费",
    RefundReason.DEPOSIT: "退预交金",
}
REFUNDS = {
    RefundStatus.REQUESTED: "已申请",
    RefundStatus.SUBMITTED: "已提交",
    RefundStatus.PROCESSING: "处理中",
    RefundStatus.UNKNOWN: "结果待查",
    RefundStatus.SUCCEEDED: "成功",
    RefundStatus.ABNORMAL: "需人工处理",
    RefundStatus.FAILED: "失败",
}

SECTIONS = [
    Section(
        name="bills",
        title="账单",
        tables=("bill",),
        sql="SELECT id, encounter_id, kind, status, amount_fen, refunded_fen, opened_at, paid_at, ended_at"
        " FROM bill WHERE person_id = ANY($1)",
        fields={
            "id": "编号",
            "encounter_id": "就诊编号",
            "kind": "类别",
            "status": "状态",
            "amount_fen": "金额（分）",
            "refunded_fen": "已退（分）",
            "opened_at": "开立时间",
            "paid_at": "支付时间",
            "ended_at": "结束时间",
        },
        codes={"kind": KINDS, "status": BILLS},
    ),
    Section(
        name="charges",
        title="费用明细",
        tables=("charge",),
        sql="SELECT id, bill_id, encounter_id, name, quantity, unit_price_micro_yuan, amount_fen, fulfilment,"
        " charged_at FROM charge WHERE person_id = ANY($1)",
        fields={
            "id": "编号",
            "bill_id": "账单编号",
            "encounter_id": "就诊编号",
            "name": "项目",
            "quantity": "数量",
            "unit_price_micro_yuan": "单价（百万分之一元）",
            "amount_fen": "金额（分）",
            "fulfilment": "执行",
            "charged_at": "计费时间",
        },
        codes={"fulfilment": FULFILMENTS},
    ),
    Section(
        name="payments",
        title="支付",
        tables=("attempt",),
        sql="SELECT a.id, a.bill_id, a.out_trade_no, a.channel, a.status, a.amount_fen, a.refunded_fen,"
        " a.created_at, a.paid_at FROM attempt a JOIN bill b ON b.id = a.bill_id WHERE b.person_id = ANY($1)",
        fields={
            "id": "编号",
            "bill_id": "账单编号",
            "out_trade_no": "商户单号",
            "channel": "渠道",
            "status": "状态",
            "amount_fen": "金额（分）",
            "refunded_fen": "已退（分）",
            "created_at": "发起时间",
            "paid_at": "支付时间",
        },
        codes={"channel": CHANNELS, "status": ATTEMPTS},
    ),
    Section(
        name="refunds",
        title="退款",
        tables=("refund",),
        sql="SELECT r.id, r.bill_id, r.attempt_id AS payment_id, r.out_refund_no, r.reason, r.amount_fen,"
        " r.status, r.requested_at, r.ended_at FROM refund r JOIN bill b ON b.id = r.bill_id"
        " WHERE b.person_id = ANY($1)",
        fields={
            "id": "编号",
            "bill_id": "账单编号",
            "payment_id": "支付编号",
            "out_refund_no": "退款单号",
            "reason": "原因",
            "amount_fen": "金额（分）",
            "status": "状态",
            "requested_at": "申请时间",
            "ended_at": "结束时间",
        },
        codes={"reason": REASONS, "status": REFUNDS},
    ),
    Section(
        name="deposits",
        title="住院预交金",
        tables=("deposit_receipt",),
        sql="SELECT d.id, d.encounter_id, d.bill_id, d.amount_fen, d.received_at FROM deposit_receipt d"
        " JOIN bill b ON b.id = d.bill_id WHERE b.person_id = ANY($1)",
        fields={
            "id": "编号",
            "encounter_id": "就诊编号",
            "bill_id": "账单编号",
            "amount_fen": "金额（分）",
            "received_at": "收款时间",
        },
    ),
]

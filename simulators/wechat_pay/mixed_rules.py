"""What an order paid by insurance and cash together must look like: its fields, and its two sums.

Fields, lengths, sets per kind and formulas are those of the platform's pages on medical insurance
payments (`/v3/med-ins`) for merchants that connect directly. All amounts are fen.
"""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from simulators.notices import is_deliverable
from simulators.wechat_pay.refusals import Refusal, param_error, rule_limit
from simulators.wechat_pay.trades import Openid

RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})\Z", re.ASCII)

Fen = Annotated[int, Meta(ge=0, le=10**11)]
MixPayType = Literal["CASH_ONLY", "INSURANCE_ONLY", "CASH_AND_INSURANCE"]
OrderType = Literal[
    "REG_PAY",
    "DIAG_PAY",
    "COVID_EXAM_PAY",
    "IN_HOSP_PAY",
    "PHARMACY_PAY",
    "INSURANCE_PAY",
    "INT_REG_PAY",
    "INT_RE_DIAG_PAY",
    "INT_RX_PAY",
    "COVID_ANTIGEN_PAY",
    "MED_PAY",
]
CardType = Literal[
    "ID_CARD",
    "HOUSEHOLD_REGISTRATION",
    "FOREIGNER_PASSPORT",
    "MAINLAND_TRAVEL_PERMIT_FOR_TW",
    "MAINLAND_TRAVEL_PERMIT_FOR_MO",
    "MAINLAND_TRAVEL_PERMIT_FOR_HK",
    "FOREIGN_PERMANENT_RESIDENT",
]
Text8 = Annotated[str, Meta(min_length=1, max_length=8)]
Text20 = Annotated[str, Meta(min_length=1, max_length=20)]
Text32 = Annotated[str, Meta(min_length=1, max_length=32)]
Text40 = Annotated[str, Meta(min_length=1, max_length=40)]
Text64 = Annotated[str, Meta(min_length=1, max_length=64)]
Text128 = Annotated[str, Meta(min_length=1, max_length=128)]
Text256 = Annotated[str, Meta(min_length=1, max_length=256)]
Text2048 = Annotated[str, Meta(min_length=1, max_length=2048)]
Place = Annotated[str, Meta(max_length=40, pattern=r"^-?\d{1,3}(\.\d+)?,-?\d{1,2}(\.\d+)?\Z")]

INSURED_FIELDS = ("pay_order_id", "pay_auth_no", "geo_location", "med_ins_order_create_time")
INSURED_FEES = ("med_ins_gov_fee", "med_ins_self_fee", "med_ins_other_fee", "med_ins_cash_fee")


class Person(msgspec.Struct, frozen=True):
    """Name and digest are sealed under the platform key that `Wechatpay-Serial` names."""

    name: Annotated[str, Meta(min_length=1, max_length=1024)]
    id_digest: Annotated[str, Meta(min_length=1, max_length=1024)]
    card_type: CardType


class CashAdd(msgspec.Struct, frozen=True):
    cash_add_fee: Fen
    cash_add_type: Literal["DEFAULT_ADD_TYPE", "FREIGHT", "OTHER_MEDICAL_EXPENSES"]


class CashReduce(msgspec.Struct, frozen=True):
    cash_reduce_fee: Fen
    cash_reduce_type: Literal[
        "DEFAULT_REDUCE_TYPE",
        "HOSPITAL_REDUCE",
        "PHARMACY_DISCOUNT",
        "DISCOUNT",
        "PRE_PAYMENT",
        "DEPOSIT_DEDUCTION",
    ]


class MixedRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything but the two persons is told again by queries and by the notification."""

    mix_pay_type: MixPayType
    order_type: OrderType
    appid: Text32
    openid: Openid
    payer: Person
    pay_for_relatives: bool = False
    relative: Person | None = None
    out_trade_no: Annotated[str, Meta(pattern=r"^[0-9A-Za-z_\-|*]{1,64}\Z")]
    serial_no: Text20
    pay_order_id: Text64 | None = None
    pay_auth_no: Text40 | None = None
    geo_location: Place | None = None
    city_id: Text8
    med_inst_name: Text128
    med_inst_no: Text32
    med_ins_order_create_time: Text64 | None = None
    total_fee: Fen
    med_ins_gov_fee: Fen | None = None
    med_ins_self_fee: Fen | None = None
    med_ins_other_fee: Fen | None = None
    med_ins_cash_fee: Fen | None = None
    wechat_pay_cash_fee: Fen | None = None
    cash_add_detail: Annotated[list[CashAdd], Meta(max_length=100)] = []
    cash_reduce_detail: Annotated[list[CashReduce], Meta(max_length=100)] = []
    callback_url: Text256
    prepay_id: Text64 | None = None
    passthrough_request_content: Text2048 | None = None
    extends: Text2048 | None = None
    attach: Text128 | None = None
    channel_no: Text32 | None = None
    med_ins_test_env: bool = False

    @property
    def has_cash(self) -> bool:
        return self.mix_pay_type != "INSURANCE_ONLY"

    @property
    def has_insurance(self) -> bool:
        return self.mix_pay_type != "CASH_ONLY"

    @property
    def cash_fen(self) -> int:
        """What the payer pays through WeChat Pay."""
        return self.wechat_pay_cash_fee or 0

    def told(self) -> dict[str, Any]:
        """What queries and the notification say again: nobody's name or number."""
        kept: dict[str, Any] = msgspec.to_builtins(self)
        return {name: value for name, value in kept.items() if name not in ("payer", "relative")}


def check(asked: MixedRequest) -> None:
    """Refuse what the platform refuses before it looks at anything it knows.

    PARAM_ERROR for a single field, 403 RULE_LIMIT for fields and amounts that do not go together.
    """
    if not is_deliverable(asked.callback_url):
        raise param_error("/callback_url", "须为不带参数的公网https地址", value=asked.callback_url)
    if asked.med_ins_order_create_time is not None:
        read_time("/med_ins_order_create_time", asked.med_ins_order_create_time)
    if asked.pay_for_relatives and asked.relative is None:
        raise param_error("/relative", "该订单属于代亲属支付，但缺少亲属信息")
    _check_fields(asked)
    _check_sums(asked)


def read_time(field: str, text: str) -> datetime:
    """RFC 3339 with its offset, or PARAM_ERROR."""
    try:
        if RFC3339.match(text) is None:
            raise ValueError(text)
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise param_error(field, "时间解析失败，须形如2015-05-20T13:29:35+08:00", value=text) from error


def _check_fields(asked: MixedRequest) -> None:
    """Which fields each kind must have and must not have."""
    if asked.has_insurance:
        missing = [name for name in (*INSURED_FIELDS, *INSURED_FEES) if getattr(asked, name) is None]
        if missing:
            raise _unfit(asked, missing[0], "必填")
    else:
        wrong = [name for name in INSURED_FIELDS if getattr(asked, name) is not None]
        wrong += [name for name in INSURED_FEES if getattr(asked, name)]
        if wrong:
            raise _unfit(asked, wrong[0], "不能填写")
    if asked.has_cash:
        missing = [name for name in ("wechat_pay_cash_fee", "prepay_id") if not getattr(asked, name)]
        if missing:
            raise _unfit(asked, missing[0], "必填且不为0")
    elif asked.cash_fen or asked.prepay_id is not None:
        raise _unfit(asked, "wechat_pay_cash_fee" if asked.cash_fen else "prepay_id", "不能填写")


def _check_sums(asked: MixedRequest) -> None:
    insured = sum(getattr(asked, name) or 0 for name in INSURED_FEES[:3])
    left = asked.med_ins_cash_fee or 0
    added = sum(add.cash_add_fee for add in asked.cash_add_detail)
    reduced = sum(reduce.cash_reduce_fee for reduce in asked.cash_reduce_detail)
    if asked.mix_pay_type == "CASH_AND_INSURANCE" and insured + left == 0:
        raise rule_limit("混合单金额不正确：医保各项金额与医保结算后自费金额之和不能为0")
    if asked.cash_fen != left + added - reduced:
        raise rule_limit(
            "自费金额校验不通过，请检查请求字段是否满足规则：wechat_pay_cash_fee = med_ins_cash_fee + "
            "cash_add_detail之和 - cash_reduce_detail之和"
        )
    if asked.total_fee != insured + asked.cash_fen + reduced:
        raise rule_limit(
            "订单总金额校验不通过，请检查请求字段是否满足规则：total_fee = med_ins_gov_fee + "
            "med_ins_self_fee + med_ins_other_fee + wechat_pay_cash_fee + cash_reduce_detail之和"
        )


def _unfit(asked: MixedRequest, field: str, issue: str) -> Refusal:
    kind = "混合支付单字段校验失败" if asked.has_insurance else "纯自费单字段校验失败"
    return rule_limit(f"{kind}：{asked.mix_pay_type}类型的{field}{issue}")

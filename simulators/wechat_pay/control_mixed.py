"""The control API's part about orders that insurance pays a share of: the credential, the password."""

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from simulators.control import payer_called
from simulators.people import PhoneRefusal
from simulators.wechat_pay import medical_credentials, mixed_orders, mixed_paying
from simulators.wechat_pay.platform import WechatPay


class Credential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=50)]
    id_number: Annotated[str, Meta(pattern=r"^[0-9]{17}[0-9Xx]\Z")]


class MedicalCashier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What wx.requestMedicalInsurancePay was given."""

    pay_params: dict[str, str]


@post("/payers/{payer:str}/medical-credential", status_code=200)
async def bind_credential(state: State, payer: FromPath[str], data: JSONBody[Credential]) -> dict[str, str]:
    """The payer activates the electronic medical insurance credential on this phone."""
    platform: WechatPay = state.platform
    who = payer_called(platform, payer)
    medical_credentials.bind(platform, openid=who.id, name=data.name, id_number=data.id_number)
    return {"openid": who.id, "id_digest": medical_credentials.id_digest(data.id_number)}


@post("/payers/{payer:str}/medical-payments")
async def pay_both(state: State, payer: FromPath[str], data: JSONBody[MedicalCashier]) -> dict[str, Any]:
    """The payer types the one password."""
    platform: WechatPay = state.platform
    now = await platform.now()
    cashier = mixed_paying.open_cashier(platform, payer_called(platform, payer), data.pay_params, now)
    order = await mixed_paying.pay_both(platform, cashier, now)
    outcome = "fail" if order.state == "MIX_PAY_FAIL" else "ok"
    return {"result": f"requestMedicalInsurancePay:{outcome}", **mixed_orders.described(platform, order)}


@post("/payers/{payer:str}/medical-refusals", status_code=200)
async def refuse_both(state: State, payer: FromPath[str], data: JSONBody[MedicalCashier]) -> dict[str, str]:
    """The payer closes the password box: the order stays unpaid."""
    platform: WechatPay = state.platform
    now = await platform.now()
    cashier = mixed_paying.open_cashier(platform, payer_called(platform, payer), data.pay_params, now)
    return {
        "result": "requestMedicalInsurancePay:fail cancel",
        "mix_trade_no": cashier.order.mix_trade_no,
    }


@get("/mixed-orders/{mix_trade_no:str}")
async def mixed_order(state: State, mix_trade_no: FromPath[str]) -> dict[str, Any]:
    platform: WechatPay = state.platform
    mixed_orders.lapse(platform, await platform.now())
    order = mixed_orders.find(platform, mix_trade_no=mix_trade_no)
    if order is None:
        raise PhoneRefusal(404, "NOT_FOUND", "没有这张医保混合订单")
    return {
        **mixed_orders.described(platform, order),
        "fail_reason": order.fail_reason,
        "created_at": order.created_at,
        "expires_at": order.expires_at,
        "settles_at": order.settles_at,
    }


CONTROL: tuple[HTTPRouteHandler, ...] = (bind_credential, pay_both, refuse_both, mixed_order)

"""What WeChat Pay says no with: HTTP status, code, message and the field at fault."""

from typing import Any


class Refusal(Exception):
    def __init__(self, status: int, code: str, message: str, detail: dict[str, Any] | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.detail is not None:
            body["detail"] = self.detail
        return body


def param_error(field: str, issue: str, *, location: str = "body", value: Any = None) -> Refusal:
    detail = {"field": field, "value": value, "issue": issue, "location": location}
    return Refusal(400, "PARAM_ERROR", f"参数错误：{field} {issue}", detail)


def sign_error(message: str, **detail: Any) -> Refusal:
    return Refusal(401, "SIGN_ERROR", message, {"location": "authorization", **detail})


def invalid_request(message: str) -> Refusal:
    return Refusal(400, "INVALID_REQUEST", message)


def order_not_exist() -> Refusal:
    return Refusal(404, "ORDER_NOT_EXIST", "订单不存在，请确认订单号")


def order_paid() -> Refusal:
    return Refusal(400, "ORDER_PAID", "该订单已支付")


def order_closed() -> Refusal:
    return Refusal(400, "ORDER_CLOSED", "该订单已关闭，请重新下单")


def out_trade_no_used() -> Refusal:
    return Refusal(403, "OUT_TRADE_NO_USED", "请求重入时参数不一致，请核实后更换商户订单号")


def not_enough(message: str) -> Refusal:
    return Refusal(403, "NOT_ENOUGH", message)


def user_paying() -> Refusal:
    """Not a refusal but no success either: the merchant asks again later."""
    return Refusal(202, "USERPAYING", "用户支付中，需要输入密码")


def rule_limit(message: str) -> Refusal:
    return Refusal(403, "RULE_LIMIT", message)


def resource_not_exists(message: str) -> Refusal:
    return Refusal(404, "RESOURCE_NOT_EXISTS", message)


def frequency_limited(message: str) -> Refusal:
    return Refusal(429, "FREQUENCY_LIMITED", message)


def system_error() -> Refusal:
    return Refusal(500, "SYSTEM_ERROR", "系统异常，请稍后用相同参数重试")

"""What Alipay says no with: a code of the gateway and a sub_code of the business."""


class Refusal(Exception):
    def __init__(self, code: str, msg: str, sub_code: str, sub_msg: str) -> None:
        super().__init__(sub_code)
        self.code = code
        self.msg = msg
        self.sub_code = sub_code
        self.sub_msg = sub_msg

    def as_json(self) -> dict[str, str]:
        return {
            "code": self.code,
            "msg": self.msg,
            "sub_code": self.sub_code,
            "sub_msg": self.sub_msg,
        }


class Unsigned(Exception):
    """The gateway cannot tell whose call this is: it answers `error_response` without signature."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.sub_code)
        self.refusal = refusal


def missing(sub_code: str, sub_msg: str) -> Refusal:
    return Refusal("40001", "Missing Required Arguments", sub_code, sub_msg)


def invalid(sub_code: str, sub_msg: str) -> Refusal:
    return Refusal("40002", "Invalid Arguments", sub_code, sub_msg)


def business(sub_code: str, sub_msg: str) -> Refusal:
    return Refusal("40004", "Business Failed", sub_code, sub_msg)


def call_limited(sub_msg: str) -> Refusal:
    return Refusal("40005", "Call Limited", "isv.app-call-limited", sub_msg)


def unknown() -> Refusal:
    return Refusal("20000", "Service Currently Unavailable", "isp.unknow-error", "系统繁忙")


def bad_parameter(sub_msg: str) -> Refusal:
    return business("ACQ.INVALID_PARAMETER", f"参数无效：{sub_msg}")


def trade_not_exist() -> Refusal:
    return business("ACQ.TRADE_NOT_EXIST", "交易不存在")

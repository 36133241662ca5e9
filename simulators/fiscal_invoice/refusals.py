"""What the fiscal platform says no with.

The public interface texts agree on S0000 for success and leave the other codes to each province:
these are ours, one for each reason, so that a client can be tried against all of them.
"""


class Refusal(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


def malformed(what: str) -> Refusal:
    return Refusal("E0001", f"报文格式错误：{what}")


def unknown_app() -> Refusal:
    return Refusal("E0002", "应用帐号不存在")


def wrong_sign() -> Refusal:
    return Refusal("E0003", "签名验证失败")


def noise_used() -> Refusal:
    return Refusal("E0004", "请求随机标识重复，每次请求须唯一")


def wrong_version() -> Refusal:
    return Refusal("E0005", "版本号不支持，须为1.0")


def unknown_service() -> Refusal:
    return Refusal("E0006", "接口服务标识不存在")


def bad_field(what: str) -> Refusal:
    return Refusal("E0101", f"参数校验失败：{what}")


def unknown_place() -> Refusal:
    return Refusal("E0102", "开票点编码不存在")


def unequal(what: str) -> Refusal:
    return Refusal("E0103", f"金额不平：{what}")


def business_number_used() -> Refusal:
    return Refusal("E0104", "业务流水号已开票，且本次内容与原票不一致")


def out_of_numbers() -> Refusal:
    return Refusal("E0105", "可用票据号不足，请先申领")


def no_bill() -> Refusal:
    return Refusal("E0201", "票据不存在")


def already_red() -> Refusal:
    return Refusal("E0202", "票据已冲红，不能重复冲红")


def on_paper() -> Refusal:
    return Refusal("E0203", "票据已换开纸质票据，请先收回并作废纸质票据")


def reimbursed() -> Refusal:
    return Refusal("E0204", "票据已报销入账，不能冲红")


def is_red() -> Refusal:
    return Refusal("E0205", "红字票据不能办理此业务")


def not_on_paper() -> Refusal:
    return Refusal("E0206", "票据没有换开纸质票据")


def paper_unusable() -> Refusal:
    return Refusal("E0301", "纸质票据号不是当前可用号码")


def busy() -> Refusal:
    return Refusal("E9998", "请求过于频繁，请稍后重试")


def system_error() -> Refusal:
    return Refusal("E9999", "系统异常，请稍后查询结果")

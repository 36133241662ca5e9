"""What the bureau says no with: an infcode and a Chinese err_msg that names the field.

The public texts know "0" and "-1" only. The others are a choice, so that a client can tell a refusal from
an unknown outcome: after every code but UNKNOWN, this message has changed nothing.
"""

OK = "0"
REFUSED = "-1"  # a rule of the business
ILL_FORMED = "-2"  # a field of the envelope or of the input
UNSEALED = "-3"  # signature or encryption
REPEATED = "-4"  # a msgid that has been used
NOT_SIGNED_IN = "-5"
BUSY = "-6"
UNKNOWN = "-100"  # the outcome is unknown: ask (5201, 5203) or reverse (2601)


class Refusal(Exception):
    def __init__(self, infcode: str, err_msg: str) -> None:
        super().__init__(err_msg)
        self.infcode = infcode
        self.err_msg = err_msg


def refused(err_msg: str) -> Refusal:
    return Refusal(REFUSED, err_msg)


def ill_formed(name: str, what: str) -> Refusal:
    return Refusal(ILL_FORMED, f"{name}：{what}")


def unsealed(err_msg: str) -> Refusal:
    return Refusal(UNSEALED, err_msg)


def repeated(err_msg: str) -> Refusal:
    return Refusal(REPEATED, err_msg)


def not_signed_in(err_msg: str) -> Refusal:
    return Refusal(NOT_SIGNED_IN, err_msg)


def busy() -> Refusal:
    return Refusal(BUSY, "请求过于频繁，请稍后再试")


def unknown() -> Refusal:
    return Refusal(UNKNOWN, "系统异常，交易结果未知，请查询或冲正")

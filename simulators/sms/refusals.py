"""What the short message service says no with: the gateway by HTTP status, the service by its Code."""


class Refusal(Exception):
    """The gateway does not let the call in."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


class Declined(Exception):
    """The call is good, and the service does not do it: HTTP 200 and a Code that is not OK."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


def missing(name: str) -> Refusal:
    return Refusal(400, f"Missing{name}", f"{name} is mandatory for this action.")


def incomplete_signature() -> Refusal:
    return Refusal(400, "IncompleteSignature", "The request signature does not conform to Aliyun standards.")


def signature_mismatch(string_to_sign: str) -> Refusal:
    message = "Specified signature is not matched with our calculation. server string to sign is:"
    return Refusal(400, "SignatureDoesNotMatch", message + string_to_sign)


def nonce_used() -> Refusal:
    return Refusal(400, "SignatureNonceUsed", "Specified signature nonce was used already.")


def unknown_key() -> Refusal:
    return Refusal(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")


def bad_timestamp() -> Refusal:
    return Refusal(
        400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted."
    )


def expired_timestamp() -> Refusal:
    return Refusal(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")


def unknown_action() -> Refusal:
    message = "Specified api is not found, please check your url and method."
    return Refusal(404, "InvalidAction.NotFound", message)


def unknown_version() -> Refusal:
    return Refusal(400, "InvalidVersion", "Specified parameter Version is not valid.")


def throttled() -> Refusal:
    return Refusal(400, "Throttling.User", "Request was denied due to user flow control.")


def internal_error() -> Refusal:
    message = "The request processing has failed due to some unknown error, exception or failure."
    return Refusal(500, "InternalError", message)


def bad_number() -> Declined:
    return Declined("isv.MOBILE_NUMBER_ILLEGAL", "invalid mobile number")


def too_many_numbers() -> Declined:
    return Declined("isv.MOBILE_COUNT_OVER_LIMIT", "手机号码数量超过限制")


def bad_sign() -> Declined:
    return Declined("isv.SMS_SIGNATURE_ILLEGAL", "该账号下找不到对应签名或签名未通过审核")


def bad_template() -> Declined:
    return Declined("isv.SMS_TEMPLATE_ILLEGAL", "该账号下找不到对应模板或模板未通过审核")


def missing_words(names: str) -> Declined:
    return Declined("isv.TEMPLATE_MISSING_PARAMETERS", f"模板变量缺少对应参数值：{names}")


def bad_json() -> Declined:
    return Declined("isv.INVALID_JSON_PARAM", "参数格式错误，请修改为字符串值的JSON")


def too_long(name: str) -> Declined:
    return Declined("isv.PARAM_LENGTH_LIMIT", f"参数超过长度限制：{name}")


def no_links(name: str) -> Declined:
    return Declined("isv.PARAM_NOT_SUPPORT_URL", f"变量不支持传入URL：{name}")


def over_limit(which: str, permits: int) -> Declined:
    return Declined("isv.BUSINESS_LIMIT_CONTROL", f"触发{which}级流控Permits:{permits}")


def no_credit() -> Declined:
    return Declined("isv.AMOUNT_NOT_ENOUGH", "账户余额不足")


def bad_parameter(name: str) -> Declined:
    return Declined("isv.INVALID_PARAMETERS", f"参数异常：{name}")

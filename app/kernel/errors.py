"""Refusals that somebody can expect. Anything else that is raised is a bug and must be loud."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import ClassVar


class DomainError(Exception):
    """A refusal: what happened, to what, and what to do, as a stable `code` and a Chinese sentence.

    Subclasses are declared at the top of the file that raises them and set `code`, `status` and
    `message`. `ids` name what it happened to; personal data never stands in either.
    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = HTTPStatus.CONFLICT
    message: ClassVar[str] = "操作没有完成，请稍后重试。"
    retry_after_s: int | None = None  # of the class, or of this one refusal
    headers: Mapping[str, str] = MappingProxyType({})  # what a protocol wants beside the body

    def __init__(self, message: str | None = None, **ids: object) -> None:
        self.detail = message or self.message
        self.ids = {name: str(value) for name, value in ids.items()}
        super().__init__(self.code, self.ids)


class NotFound(DomainError):
    """Also the answer to who may not know that it exists."""

    code = "not_found"
    status = HTTPStatus.NOT_FOUND
    message = "没有找到要查看的内容，请返回上一页核对。"


class Forbidden(DomainError):
    code = "forbidden"
    status = HTTPStatus.FORBIDDEN
    message = "您没有权限进行此操作。如有需要，请联系管理员。"


class Unauthenticated(DomainError):
    code = "unauthenticated"
    status = HTTPStatus.UNAUTHORIZED
    message = "登录已失效，请重新登录。"


class Invalid(DomainError):
    code = "invalid"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = "填写的内容不符合要求，请检查后重新提交。"


class WrongState(DomainError):
    """A compare-and-set found another status than the move needs: somebody was faster, or it is over."""

    code = "wrong_state"
    message = "状态已经变化，请刷新后再操作。"


class Unavailable(DomainError):
    """Nothing was done; the same request may be sent again."""

    code = "unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "系统繁忙，请稍后重试。本次操作没有生效。"
    retry_after_s = 1


class OutcomeUnknown(DomainError):
    """The line broke while committing. Repeat with the same Idempotency-Key to learn the outcome."""

    code = "outcome_unknown"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "结果暂时无法确认，请不要重复提交新的操作，稍后用原页面重试即可。"
    retry_after_s = 2


STORED_LENGTH_MAX = 2000
# Ten digits and more are somebody's number more often than anything that helps to find the fault. Ids are
# written with letters and hyphens, and stay.
LONG_NUMBER = re.compile(r"(?<![0-9A-Fa-f-])\d(?:[ -]?\d){9,}[Xx]?(?![0-9A-Fa-f-])")


def storable(error: BaseException) -> str:
    """An unexpected error as it may be stored: its class and text, without the long numbers in it."""
    return LONG_NUMBER.sub("…", repr(error))[:STORED_LENGTH_MAX]

"""How OAuth says no: RFC 6749's `error` for its clients and our stable `code` for everybody, in one body."""

from http import HTTPStatus
from typing import Any, ClassVar

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from app.kernel.errors import DomainError
from app.kernel.http import FRAMEWORK_CODES, REFUSAL, AnyRequest, request_id_of

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
ERROR_BY_STATUS = {
    HTTPStatus.UNAUTHORIZED: "invalid_client",
    HTTPStatus.FORBIDDEN: "access_denied",
    HTTPStatus.TOO_MANY_REQUESTS: "temporarily_unavailable",
    HTTPStatus.SERVICE_UNAVAILABLE: "temporarily_unavailable",
}


class OAuthRefusal(DomainError):
    """A refusal with a word of its own in RFC 6749 5.2, RFC 7009 or RFC 9126."""

    error: ClassVar[str] = "invalid_request"
    code = "oauth_request_malformed"
    status = HTTPStatus.BAD_REQUEST
    message = "登录请求的格式不正确，请升级客户端后重试。"


class OAuthProblem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`error` and `error_description` (ASCII only, by the RFC), beside the fields of our problems."""

    error: str
    error_description: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    ids: dict[str, str] = {}


def refused(request: AnyRequest, refusal: DomainError) -> Response[Any]:
    error = (
        refusal.error
        if isinstance(refusal, OAuthRefusal)
        else ERROR_BY_STATUS.get(HTTPStatus(refusal.status), OAuthRefusal.error)
    )
    headers = {} if refusal.retry_after_s is None else {"Retry-After": str(refusal.retry_after_s)}
    return _render(request, error, refusal.status, refusal.code, refusal.detail, refusal.ids, headers)


def not_served(request: AnyRequest, error: HTTPException) -> Response[Any]:
    code, detail = FRAMEWORK_CODES.get(error.status_code, (OAuthRefusal.code, OAuthRefusal.message))
    return _render(
        request, OAuthRefusal.error, error.status_code, code, detail, {}, dict(error.headers or {})
    )


def _render(
    request: AnyRequest,
    error: str,
    status: int,
    code: str,
    detail: str,
    ids: dict[str, str],
    headers: dict[str, str],
) -> Response[Any]:
    request.scope["state"][REFUSAL] = code
    body = OAuthProblem(
        error=error,
        error_description=code.replace("_", " "),
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        request_id=request_id_of(request),
        ids=ids,
    )
    return Response(
        content=msgspec.json.encode(body),
        status_code=status,
        media_type="application/json",
        headers={**NO_STORE, **headers},
    )


OAUTH_EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    DomainError: refused,
    ValidationException: not_served,
    HTTPException: not_served,
}

"""What every route shares: one renderer of refusals, paging, and the idempotency key."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from app.kernel.database import PoolBusy
from app.kernel.errors import DomainError, Invalid, NotFound, Unauthenticated
from app.kernel.idempotency import Command, command
from app.kernel.ids import new_id

log = structlog.get_logger()

BODY_BYTES_MAX = 1024 * 1024
PAGE_MAX = 100
REQUEST_ID_MIN, REQUEST_ID_MAX = 20, 64

REFUSAL = "refusal"  # where the code of a request's refusal lies in its state, for its log line
PROBLEM = "problem"  # the same with the ids, for the access log

AnyRequest = Request[Any, Any, State]


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457. `code` is stable and for programs; `detail` is Chinese and for people."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    ids: dict[str, str] = {}
    errors: list[dict[str, str]] = []


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A bounded piece of a list; `next` is what to pass as `after` for the one behind it."""

    limit: int
    after: UUID | None


async def request_command(request: AnyRequest) -> Command:
    """The dependency `asked` of every write: its Idempotency-Key, route and body."""
    return command(
        key=request.headers.get("Idempotency-Key"),
        route=f"{request.method} {request.url.path}"[:200],
        body=await request.body(),
    )


def request_id_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The caller's X-Request-ID if it is a plain one, else a new one; the same for the whole request.

    Shorter ones are not taken: they could be a number of a person, which has no place in a log.
    """
    state = connection.scope.setdefault("state", {})
    if "request_id" not in state:
        given = connection.headers.get("X-Request-ID", "")
        plain = given.isascii() and given.replace("-", "").isalnum()
        fits = REQUEST_ID_MIN <= len(given) <= REQUEST_ID_MAX
        state["request_id"] = given if plain and fits else str(new_id())
    return state["request_id"]


def problem(
    request: AnyRequest,
    *,
    status: int,
    code: str,
    detail: str,
    ids: dict[str, str] | None = None,
    errors: list[dict[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response[Any]:
    named = [f"{name}={value}" for name, value in (ids or {}).items()]
    request.scope["state"] |= {REFUSAL: code, PROBLEM: " ".join([code, *named])}
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        request_id=request_id_of(request),
        ids=ids or {},
        errors=errors or [],
    )
    return Response(
        content=msgspec.json.encode(body),
        status_code=status,
        media_type="application/problem+json",
        headers=headers,
    )


def refused(request: AnyRequest, error: DomainError) -> Response[Any]:
    headers = dict(error.headers)
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    return problem(
        request,
        status=error.status,
        code=error.code,
        detail=error.detail,
        ids=error.ids,
        headers=headers,
    )


def not_valid(request: AnyRequest, error: ValidationException) -> Response[Any]:
    """A body or parameter of the wrong form: which field and why, never its value."""
    extra = error.extra if isinstance(error.extra, list) else []
    errors = [{"field": str(e.get("key", "")), "why": str(e.get("message", ""))} for e in extra]
    return problem(
        request,
        status=HTTPStatus.BAD_REQUEST,
        code="malformed",
        detail="请求的格式不正确，请核对后重新提交。",
        errors=errors,
    )


FRAMEWORK_CODES: dict[int, tuple[str, str]] = {
    400: ("malformed", "请求的格式不正确，请核对后重新提交。"),
    401: (Unauthenticated.code, Unauthenticated.message),
    403: ("forbidden", "您没有权限进行此操作。如有需要，请联系管理员。"),
    404: (NotFound.code, NotFound.message),
    405: ("method_not_allowed", "不支持这种请求方式，请升级客户端后重试。"),
    413: ("too_large", "提交的内容过大（上限 1 MiB），请分批提交。"),
    415: ("unsupported_media_type", "请以 JSON 格式提交。"),
    429: ("too_many_requests", "操作过于频繁，请稍后再试。"),
}


def not_served(request: AnyRequest, error: HTTPException) -> Response[Any]:
    code, detail = FRAMEWORK_CODES.get(
        error.status_code, ("internal_error", "系统出现错误，工程师已收到通知，请稍后重试。")
    )
    return problem(
        request,
        status=error.status_code,
        code=code,
        detail=detail,
        headers=dict(error.headers or {}),
    )


def constraint_broken(request: AnyRequest, error: asyncpg.IntegrityConstraintViolationError) -> Response[Any]:
    """The last wall held. The rule above it should have refused with words: so it is logged as a bug."""
    log.error("constraint_reached", constraint=getattr(error, "constraint_name", ""))
    return problem(
        request,
        status=HTTPStatus.CONFLICT,
        code="conflict",
        detail="数据已被他人修改或重复提交，请刷新后再试。",
        ids={"constraint": str(getattr(error, "constraint_name", ""))},
    )


def overloaded(request: AnyRequest, error: Exception) -> Response[Any]:
    """A statement or lock took longer than its limit: nothing was changed."""
    log.warning("statement_gave_up", error=type(error).__name__)
    return refused(request, PoolBusy())


def not_text(request: AnyRequest, error: Exception) -> Response[Any]:
    """A zero character, which JSON and addresses can carry and no text of the database can."""
    code, detail = FRAMEWORK_CODES[400]
    return problem(request, status=HTTPStatus.BAD_REQUEST, code=code, detail=detail)


def unexpected(request: AnyRequest, error: Exception) -> Response[Any]:
    log.error("unexpected", exc_info=error)
    return problem(
        request,
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        code="internal_error",
        detail="系统出现错误，工程师已收到通知，请稍后重试。",
    )


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    DomainError: refused,
    ValidationException: not_valid,
    HTTPException: not_served,
    asyncpg.IntegrityConstraintViolationError: constraint_broken,
    asyncpg.CharacterNotInRepertoireError: not_text,
    asyncpg.UntranslatableCharacterError: not_text,
    asyncpg.QueryCanceledError: overloaded,
    asyncpg.LockNotAvailableError: overloaded,
    msgspec.ValidationError: lambda request, error: refused(request, Invalid()),
    Exception: unexpected,
}

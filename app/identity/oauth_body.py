"""The parameters of an OAuth request: a form, as the RFCs say, or JSON, as our own clients send it."""

from enum import StrEnum
from http import HTTPStatus
from urllib.parse import parse_qsl

import msgspec

from app.identity.oauth_errors import OAuthRefusal
from app.kernel.http import AnyRequest

PARAMETERS_MAX = 20
PARAMETER_LENGTH_MAX = 8192
# A form may carry more, which is ignored (RFC 6749 3.2); in JSON it is refused, as everywhere in this house.
KNOWN = {
    "grant_type", "code", "code_verifier", "redirect_uri", "client_id", "client_assertion",
    "client_assertion_type", "refresh_token", "scope", "token", "token_type_hint", "response_type",
    "response_mode", "state", "code_challenge", "code_challenge_method", "request_uri", "request",
    "login_code", "login_verifier",
}  # fmt: skip


class MediaType(StrEnum):
    FORM = "application/x-www-form-urlencoded"
    JSON = "application/json"


class ParameterMissing(OAuthRefusal):
    code = "parameter_missing"
    message = "登录请求缺少必要的参数，请升级客户端后重试。"


class BodyUnsupported(OAuthRefusal):
    code = "unsupported_media_type"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    message = "请以表单（application/x-www-form-urlencoded）或 JSON 格式提交。"


def media_type_of(request: AnyRequest) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


async def read_parameters(request: AnyRequest) -> dict[str, str]:
    """Every parameter once, printable and bounded; an empty one counts as absent (RFC 6749 3.1)."""
    body = await request.body()
    match media_type_of(request):
        case MediaType.FORM:
            pairs = _form(body)
        case MediaType.JSON:
            pairs = _json(body)
        case _:
            raise BodyUnsupported
    parameters = dict(pairs)
    if len(parameters) != len(pairs) or not all(_is_plain(value) for value in parameters.values()):
        raise OAuthRefusal
    return {name: value for name, value in parameters.items() if value}


def required(parameters: dict[str, str], name: str) -> str:
    value = parameters.get(name)
    if value is None:
        raise ParameterMissing(parameter=name)
    return value


def _form(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX
        )
    except ValueError as error:
        raise OAuthRefusal from error


def _json(body: bytes) -> list[tuple[str, str]]:
    try:
        read = msgspec.json.decode(body, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OAuthRefusal from error
    if not read.keys() <= KNOWN:
        raise OAuthRefusal
    return list(read.items())


def _is_plain(value: str) -> bool:
    return len(value) <= PARAMETER_LENGTH_MAX and value.isascii() and value.isprintable()

"""POST /oauth/token: three grants, each for the clients that are registered for it."""

from collections.abc import Awaitable, Callable

from app.identity.assertions import identify_client, require_confidential, require_grant
from app.identity.clients import Client
from app.identity.oauth_body import required
from app.identity.oauth_errors import OAuthRefusal
from app.identity.refreshing import refresh
from app.identity.roles import GrantType
from app.identity.scopes import SYSTEM, ScopeRefused, is_within
from app.identity.sessions import AccessToken, Login, open_session, redeem_code
from app.kernel.actor import ANONYMOUS, ActorKind

PARTNER = "partner"  # the role and the channel of a client that acts for itself


class GrantUnknown(OAuthRefusal):
    error = "unsupported_grant_type"
    code = "grant_unknown"
    message = "不支持这种授权方式，请使用授权码、刷新令牌或客户端凭证方式。"


async def grant_tokens(parameters: dict[str, str]) -> AccessToken:
    try:
        grant = GrantType(required(parameters, "grant_type"))
    except ValueError as error:
        raise GrantUnknown from error
    return await GRANTS[grant](parameters)


async def _for_code(parameters: dict[str, str]) -> AccessToken:
    client = await identify_client(parameters)
    require_grant(client, GrantType.AUTHORIZATION_CODE)
    return await redeem_code(
        code=required(parameters, "code"),
        verifier=required(parameters, "code_verifier"),
        client_id=_name(client),
        redirect_uri=parameters.get("redirect_uri", ""),
    )


async def _for_refresh_token(parameters: dict[str, str]) -> AccessToken:
    client = await identify_client(parameters)
    require_grant(client, GrantType.REFRESH_TOKEN)
    return await refresh(
        refresh_token=required(parameters, "refresh_token"),
        client_id=_name(client),
        scope=parameters.get("scope", ""),
    )


async def _for_client(parameters: dict[str, str]) -> AccessToken:
    """A partner's system as itself: only `system/` scopes, and no refresh token (RFC 6749 4.4.3)."""
    client = await require_confidential(parameters)
    require_grant(client, GrantType.CLIENT_CREDENTIALS)
    registered = " ".join(word for word in client.scopes.split() if word.startswith(SYSTEM))
    scope = parameters.get("scope", "") or registered
    if not scope or not is_within(scope, registered):
        raise ScopeRefused
    login = Login(
        kind=ActorKind.CLIENT,
        id=client.id,
        channel=PARTNER,
        role=PARTNER,
        auth_version=client.auth_version,
        client_id=client.client_id,
        scope=scope,
    )
    _, token = await open_session(ANONYMOUS, login=login)
    return token


def _name(client: Client | None) -> str:
    return "" if client is None else client.client_id


GRANTS: dict[GrantType, Callable[[dict[str, str]], Awaitable[AccessToken]]] = {
    GrantType.AUTHORIZATION_CODE: _for_code,
    GrantType.REFRESH_TOKEN: _for_refresh_token,
    GrantType.CLIENT_CREDENTIALS: _for_client,
}

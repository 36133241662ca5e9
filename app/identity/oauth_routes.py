"""/oauth and /.well-known: the authorization server, for our own clients and for others'."""

from typing import Any

import msgspec
from litestar import Response, Router, get, post
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Redirect

from app.identity.authorizing import Pushed, answer_request, login_page_for, push_request
from app.identity.granting import grant_tokens
from app.identity.inspecting import Introspection, introspect, revoke
from app.identity.logging_out import log_out, log_out_everywhere
from app.identity.oauth_body import MediaType, media_type_of, read_parameters
from app.identity.oauth_errors import NO_STORE, OAUTH_EXCEPTION_HANDLERS
from app.identity.sessions import AccessToken
from app.identity.token_keys import JWKS_SECONDS, public_keys
from app.identity.well_known import authorization_server, smart_configuration
from app.kernel.actor import Actor
from app.kernel.http import AnyRequest

KEPT = CacheControlHeader(max_age=JWKS_SECONDS, public=True)


class RedirectTo(msgspec.Struct, frozen=True):
    """For a page that asked in the background: where it has to send the browser."""

    redirect_to: str


@post("/token", status_code=200, permission="public")
async def token(request: AnyRequest) -> AccessToken:
    """Turn a code, a refresh token or a signed assertion into an access token."""
    return await grant_tokens(await read_parameters(request))


@post("/par", permission="public")
async def par(request: AnyRequest) -> Pushed:
    """Push an authorization request (RFC 9126): the only road to /oauth/authorize."""
    return await push_request(await read_parameters(request))


@get("/authorize", status_code=303, permission="public")
async def authorize(client_id: FromQuery[str] = "", request_uri: FromQuery[str] = "") -> Redirect:
    """Send a browser with a pushed request to the login page."""
    page = await login_page_for(client_id=client_id, request_uri=request_uri)
    return Redirect(page, status_code=303)


@post("/authorize", status_code=200, permission="public")
async def answer(request: AnyRequest) -> Response[Any]:
    """The login page's answer: a form is sent back to the client at once, a script is told where to go."""
    back = await answer_request(await read_parameters(request))
    if media_type_of(request) == MediaType.FORM:
        return Redirect(back, status_code=303)
    return Response(RedirectTo(back))


@post("/revoke", status_code=200, permission="public")
async def revoke_token(request: AnyRequest) -> None:
    """End the login behind a token (RFC 7009)."""
    await revoke(await read_parameters(request))


@post("/introspect", status_code=200, permission="public")
async def introspect_token(request: AnyRequest) -> Introspection:
    """What a token is worth (RFC 7662), for clients that sign."""
    return await introspect(await read_parameters(request))


@post("/logout", status_code=204, permission="session.end")
async def logout(actor: NamedDependency[Actor]) -> None:
    """End this login."""
    await log_out(actor)


@post("/logout-everywhere", status_code=204, permission="session.end")
async def logout_everywhere(actor: NamedDependency[Actor]) -> None:
    """End every login of this person: a phone was lost."""
    await log_out_everywhere(actor)


@get(["/oauth/jwks", "/.well-known/jwks.json"], sync_to_thread=False, cache_control=KEPT, permission="public")
def jwks() -> dict[str, Any]:
    """The public keys that our tokens verify with, the next one included."""
    return public_keys()


@get(
    "/.well-known/oauth-authorization-server",
    sync_to_thread=False,
    cache_control=KEPT,
    permission="public",
)
def oauth_metadata() -> dict[str, Any]:
    """RFC 8414."""
    return authorization_server()


@get("/.well-known/smart-configuration", sync_to_thread=False, cache_control=KEPT, permission="public")
def smart_metadata() -> dict[str, Any]:
    """SMART App Launch."""
    return smart_configuration()


server = Router(
    path="/oauth",
    route_handlers=[token, par, authorize, answer, revoke_token, introspect_token, logout, logout_everywhere],
    exception_handlers=OAUTH_EXCEPTION_HANDLERS,
    response_headers=NO_STORE,
)
router = Router(path="/", route_handlers=[server, jwks, oauth_metadata, smart_metadata])

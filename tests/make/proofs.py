"""Keys of test devices, and an httpx.Auth that signs their requests as a terminal does."""

import base64
from collections.abc import Generator
from uuid import UUID

import httpx
import msgspec

from app.demo import proving
from app.identity.dpop import PublicKey, thumbprint


class DeviceKey(proving.DeviceKey):
    @property
    def thumbprint(self) -> str:
        return thumbprint(msgspec.convert(self.public, PublicKey))


# Of every device that a test made.
KEYS: dict[UUID, DeviceKey] = {}


def key_of(access_token: str) -> DeviceKey | None:
    """The key that a token is bound to, if it is a test device's."""
    said = access_token.split(".")
    if len(said) != 3:
        return None
    claims = msgspec.json.decode(base64.urlsafe_b64decode(said[1] + "=" * (-len(said[1]) % 4)))
    return KEYS.get(UUID(claims["sub"]))


def sign(request: httpx.Request, key: DeviceKey) -> None:
    token = request.headers.get("Authorization", "").partition(" ")[2]
    request.headers["DPoP"] = key.proof(request.method, str(request.url), body=request.content, token=token)


class Signing(httpx.Auth):
    """Of a test client: a request with the token of a test device gets a fresh proof of its key."""

    requires_request_body = True

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        key = key_of(token) if scheme == "DPoP" and "DPoP" not in request.headers else None
        if key is not None:
            sign(request, key)
        yield request


class DeviceAuth(httpx.Auth):
    """The same with a named key, also before there is a token: for enrolling and logging in."""

    requires_request_body = True

    def __init__(self, key: DeviceKey) -> None:
        self.key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        sign(request, self.key)
        yield request

"""A device's key, and the proofs that it signs: what a terminal's own program does."""

import base64
import hashlib
import secrets
import time
from typing import Any, Self
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey


class DeviceKey:
    """A P-256 key of a device, as a private JWK."""

    def __init__(self, private_jwk: dict[str, Any]) -> None:
        self.key = ECKey.import_key({name: private_jwk[name] for name in ("kty", "crv", "x", "y", "d")})
        self.public = {name: private_jwk[name] for name in ("kty", "crv", "x", "y")}

    @classmethod
    def new(cls) -> Self:
        return cls(ECKey.generate_key("P-256", private=True).as_dict(private=True))

    def proof(self, method: str, url: str, *, body: bytes = b"", token: str = "") -> str:
        """A proof (RFC 9449) for one request: never to be used twice."""
        address = urlsplit(url)
        claims: dict[str, Any] = {
            "htm": method,
            "htu": f"{address.scheme}://{address.netloc}{address.path}",
            "iat": int(time.time()),
            "jti": secrets.token_urlsafe(16),
        }
        if token:
            claims["ath"] = _digest(token.encode())
        if method != "GET":
            claims["bh"] = _digest(body)
        return jwt.encode({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.public}, claims, self.key)


def _digest(raw: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()

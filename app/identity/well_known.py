"""What we tell OAuth and SMART clients about ourselves (RFC 8414, SMART App Launch 2.2)."""

from typing import Any

from app.identity.assertions import ASSERTION_ALGORITHMS, TOKEN_PATH
from app.identity.roles import GrantType
from app.identity.tokens import issuer

PARTNER_SCOPES = ["system/Organization.rs"]  # what a route serves today
SIGNING_ENDPOINTS = ("token", "revocation", "introspection")


def authorization_server() -> dict[str, Any]:
    """RFC 8414; `none` is for public clients, which PKCE alone protects."""
    methods: dict[str, Any] = {}
    for endpoint in SIGNING_ENDPOINTS:
        open_to_all = [] if endpoint == "introspection" else ["none"]
        methods[f"{endpoint}_endpoint_auth_methods_supported"] = [*open_to_all, "private_key_jwt"]
        methods[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = ASSERTION_ALGORITHMS
    return {**_endpoints(), **methods}


def smart_configuration() -> dict[str, Any]:
    return {
        **authorization_server(),
        "capabilities": ["client-confidential-asymmetric", "permission-v2"],
    }


def _endpoints() -> dict[str, Any]:
    here = issuer()
    return {
        "issuer": here,
        "authorization_endpoint": f"{here}/oauth/authorize",
        "pushed_authorization_request_endpoint": f"{here}/oauth/par",
        "require_pushed_authorization_requests": True,
        "token_endpoint": here + TOKEN_PATH,
        "revocation_endpoint": f"{here}/oauth/revoke",
        "introspection_endpoint": f"{here}/oauth/introspect",
        "jwks_uri": f"{here}/oauth/jwks",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [str(grant) for grant in GrantType],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": PARTNER_SCOPES,
    }

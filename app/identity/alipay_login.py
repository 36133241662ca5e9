"""Alipay's oauth.token: the auth code becomes a user id. Signing is RSA2 over the sorted parameters."""

import base64
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from app.identity.channel_settings import PlatformUnavailable, read_channel
from app.identity.wechat_login import CODE_LENGTH_MAX, LoginCodeRefused
from app.kernel import clock

SECONDS_MAX = 5.0
METHOD = "alipay.system.oauth.token"
ANSWER = "alipay_system_oauth_token_response"
UNAVAILABLE_CODES = {"20000", "40001", "40003", "40006"}  # their trouble or ours, not the user's code


class AlipayApp(msgspec.Struct, frozen=True):
    appid: str
    gateway_url: str
    merchant_private_key_path: str
    platform_public_key_path: str


async def subject_of(code: str) -> str:
    """The user id behind an auth code, or a refusal. An answer without a good signature counts as none."""
    if not code or len(code) > CODE_LENGTH_MAX:
        raise LoginCodeRefused
    app = read_channel("alipay", AlipayApp)
    answer = await _ask(app, code)
    subject = answer.get("user_id") or answer.get("open_id")
    if isinstance(subject, str) and subject:
        return subject
    if str(answer.get("code", "20000")) in UNAVAILABLE_CODES and "sub_code" not in answer:
        raise PlatformUnavailable(channel="alipay", code=answer.get("code", ""))
    raise LoginCodeRefused


async def _ask(app: AlipayApp, code: str) -> Mapping[str, Any]:
    wanted = common_parameters(app.appid, METHOD, at=clock.wall())
    wanted |= {"grant_type": "authorization_code", "code": code}
    try:
        signed = wanted | {"sign": sign(wanted, app.merchant_private_key_path)}
        async with httpx.AsyncClient(timeout=SECONDS_MAX, trust_env=False) as client:
            reply = await client.post(app.gateway_url, data=signed)
            reply.raise_for_status()
        return read_answer(reply.content, ANSWER, app.platform_public_key_path)
    except (httpx.HTTPError, OSError, ValueError, InvalidSignature) as error:
        raise PlatformUnavailable(channel="alipay", cause=type(error).__name__) from None


def common_parameters(appid: str, method: str, *, at: datetime) -> dict[str, str]:
    return {
        "app_id": appid,
        "method": method,
        "format": "JSON",
        "charset": "utf-8",
        "sign_type": "RSA2",
        "timestamp": at.astimezone(clock.LOCAL).strftime("%Y-%m-%d %H:%M:%S"),
        "version": "1.0",
    }


def sign_content(parameters: Mapping[str, str]) -> bytes:
    """Non-empty parameters in ASCII order as k=v&..., without `sign`, unencoded."""
    filled = sorted((name, value) for name, value in parameters.items() if value and name != "sign")
    return "&".join(f"{name}={value}" for name, value in filled).encode()


def sign(parameters: Mapping[str, str], private_key_path: str) -> str:
    key = load_pem_private_key(Path(private_key_path).read_bytes(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return base64.b64encode(key.sign(sign_content(parameters), PKCS1v15(), SHA256())).decode()


def read_answer(body: bytes, name: str, public_key_path: str) -> Mapping[str, Any]:
    """The signed inner object of a gateway answer.

    The signature covers its exact bytes. A gateway-level `error_response` may come unsigned and only
    ever says no, so it is read as it is.
    """
    parts = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    if name not in parts:
        return msgspec.json.decode(parts.get("error_response", msgspec.Raw(b"{}")), type=dict[str, Any])
    key = load_pem_public_key(Path(public_key_path).read_bytes())
    assert isinstance(key, RSAPublicKey)
    signature = base64.b64decode(msgspec.json.decode(parts.get("sign", msgspec.Raw(b'""')), type=str))
    key.verify(signature, bytes(parts[name]), PKCS1v15(), SHA256())
    return msgspec.json.decode(parts[name], type=dict[str, Any])

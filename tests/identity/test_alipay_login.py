"""Alipay's signatures: ours over the sorted parameters, theirs over the exact bytes of the answer."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from app.identity import alipay_login
from app.identity.channel_settings import PlatformUnavailable
from app.identity.wechat_login import LoginCodeRefused


class Alipay:
    """Both sides' keys, and an answer as the gateway would sign it."""

    def __init__(self, folder: Path) -> None:
        self.ours, self.theirs = generate_private_key(65537, 2048), generate_private_key(65537, 2048)
        folder.mkdir(exist_ok=True)
        private = folder / "alipay_ours.pem"
        private.write_bytes(
            self.ours.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        public = folder / "alipay_theirs.pem"
        public.write_bytes(
            self.theirs.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        settings = {
            "appid": "2021",
            "gateway_url": "http://alipay.test/gateway.do",
            "merchant_private_key_path": str(private),
            "platform_public_key_path": str(public),
        }
        (folder / "alipay.json").write_bytes(msgspec.json.encode(settings))

    def answer(self, inner: str, *, key: RSAPrivateKey | None = None) -> httpx.Response:
        signature = (key or self.theirs).sign(inner.encode(), PKCS1v15(), SHA256())
        body = f'{{"{alipay_login.ANSWER}":{inner},"sign":"{base64.b64encode(signature).decode()}"}}'
        return httpx.Response(200, text=body)


@pytest.fixture(scope="module")
def alipay(data_folder: Path) -> Alipay:
    return Alipay(data_folder / "simulators")


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[httpx.Request]]:
    def answer(with_: Any) -> list[httpx.Request]:
        real, asked = httpx.AsyncClient, list[httpx.Request]()

        def reply(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            if isinstance(with_, Exception):
                raise with_
            return with_

        def fake(**options: Any) -> httpx.AsyncClient:
            return real(**options, transport=httpx.MockTransport(reply))

        monkeypatch.setattr(httpx, "AsyncClient", fake)
        return asked

    return answer


Answering = Callable[[Any], list[httpx.Request]]


async def test_a_signed_answer_tells_the_user(alipay: Alipay, answering: Answering) -> None:
    asked = answering(alipay.answer('{"user_id": "2088-1",  "access_token":"t"}'))
    assert await alipay_login.subject_of("auth/code+1") == "2088-1"
    sent = dict(parse_qsl(asked[0].content.decode()))
    assert sent["code"] == "auth/code+1"
    content = "&".join(f"{name}={sent[name]}" for name in sorted(sent) if name != "sign")
    alipay.ours.public_key().verify(base64.b64decode(sent["sign"]), content.encode(), PKCS1v15(), SHA256())


async def test_an_open_id_serves_where_no_user_id_is_given(alipay: Alipay, answering: Answering) -> None:
    answering(alipay.answer('{"open_id":"o-1"}'))
    assert await alipay_login.subject_of("code") == "o-1"


async def test_a_forged_answer_is_none(alipay: Alipay, answering: Answering) -> None:
    answering(alipay.answer('{"user_id":"2088-1"}', key=alipay.ours))
    with pytest.raises(PlatformUnavailable):
        await alipay_login.subject_of("code")


async def test_an_unsigned_answer_is_none(alipay: Alipay, answering: Answering) -> None:
    answering(httpx.Response(200, json={alipay_login.ANSWER: {"user_id": "2088-1"}}))
    with pytest.raises(PlatformUnavailable):
        await alipay_login.subject_of("code")


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        pytest.param(
            {"error_response": {"code": "40002", "sub_code": "isv.code-invalid"}},
            LoginCodeRefused,
            id="invalid code",
        ),
        pytest.param({"error_response": {"code": "20000"}}, PlatformUnavailable, id="busy"),
        pytest.param({}, PlatformUnavailable, id="nothing said"),
    ],
)
async def test_a_refusal_is_told_from_an_outage(
    alipay: Alipay, answering: Answering, answer: dict[str, Any], refusal: type[Exception]
) -> None:
    answering(httpx.Response(200, json=answer))
    with pytest.raises(refusal):
        await alipay_login.subject_of("code")


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(httpx.ConnectError("no"), id="no connection"),
        pytest.param(httpx.ReadTimeout("late"), id="timeout"),
        pytest.param(httpx.Response(503), id="unavailable"),
        pytest.param(httpx.Response(200, text="<html>"), id="not JSON"),
    ],
)
async def test_an_outage_is_unavailable(alipay: Alipay, answering: Answering, failure: Any) -> None:
    answering(failure)
    with pytest.raises(PlatformUnavailable):
        await alipay_login.subject_of("code")


def test_the_sign_content_is_sorted_unencoded_and_without_blanks() -> None:
    given = {"b": "2=2&", "a": "中", "empty": "", "sign": "x", "sign_type": "RSA2"}
    assert alipay_login.sign_content(given).decode() == "a=中&b=2=2&&sign_type=RSA2"


def test_the_timestamp_is_local() -> None:
    at = datetime(2026, 11, 23, 16, 30, tzinfo=UTC)
    assert alipay_login.common_parameters("1", "m", at=at)["timestamp"] == "2026-11-24 00:30:00"

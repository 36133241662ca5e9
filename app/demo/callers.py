"""Everybody outside who talks to the hospital: phones, desks and devices, over public HTTP only."""

import base64
import hashlib
import secrets
import uuid
from typing import Any

import httpx
import msgspec

from app.demo.proving import DeviceKey

SECONDS_MAX = 15.0


class StepBroken(Exception):
    """The day cannot go on: what was expected and what came instead."""


class Refused(Exception):
    """The hospital said no, with its stable code."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", ""))
        self.problem = problem
        super().__init__(f"{status} {self.code}: {problem.get('detail', '')} {problem.get('errors', '')}")


def expect(condition: object, otherwise: str) -> None:
    if not condition:
        raise StepBroken(otherwise)


class Caller:
    """One login at the hospital. Every write carries a fresh Idempotency-Key."""

    def __init__(self, http: httpx.AsyncClient, prefix: str) -> None:
        self.http = http
        self.prefix = prefix
        self.headers: dict[str, str] = {}
        self.key: DeviceKey | None = None

    async def get(self, path: str, **params: Any) -> Any:
        return await self._send("GET", path, params=params)

    async def post(self, path: str, body: dict[str, Any] | None = None, *, key: str | None = None) -> Any:
        return await self._send("POST", path, json=body or {}, key=key)

    async def _send(self, method: str, path: str, *, key: str | None = None, **content: Any) -> Any:
        url = path if path.startswith(("/oauth", "/rt")) else self.prefix + path
        headers = {**self.headers}
        if method == "POST":
            headers["Idempotency-Key"] = key or uuid.uuid4().hex
        request = self.http.build_request(method, url, headers=headers, **content)
        if self.key is not None:
            self._prove(request, self.key)
        reply = await self.http.send(request)
        body = msgspec.json.decode(reply.content) if reply.content else None
        if reply.is_error:
            raise Refused(reply.status_code, body if isinstance(body, dict) else {})
        return body

    async def redeem(self, path: str, proof: dict[str, str]) -> "Caller":
        """Log in: what proves who I am, plus a PKCE challenge, for a code; the code for a token."""
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        code = await self.post(path, {**proof, "code_challenge": challenge})
        grant = {"grant_type": "authorization_code", "code": code["code"], "code_verifier": verifier}
        self._bear(await self.post("/oauth/token", grant))
        return self

    async def prove_key(self, device_id: str, private_jwk: dict[str, Any]) -> "Caller":
        """Log in as a device; from now on its key signs every request."""
        self.key = DeviceKey(private_jwk)
        self._bear(await self.post("/oauth/device", {"device_id": device_id}))
        return self

    def _prove(self, request: httpx.Request, key: DeviceKey) -> None:
        token = self.headers.get("Authorization", "").partition(" ")[2]
        request.headers["DPoP"] = key.proof(
            request.method, str(request.url), body=request.content, token=token
        )

    def _bear(self, token: dict[str, Any]) -> None:
        self.headers["Authorization"] = f"{token['token_type']} {token['access_token']}"

    async def expect_refusal(self, code: str, path: str, body: dict[str, Any]) -> str:
        """The request must be refused with this code; returns the Chinese sentence."""
        try:
            await self.post(path, body)
        except Refused as refused:
            expect(refused.code == code, f"expected {code}, was refused with {refused}")
            return str(refused.problem["detail"])
        raise StepBroken(f"{path} should have been refused with {code}")


class Gateway:
    """A payment simulator seen from the payer's side: its control port."""

    def __init__(self, http: httpx.AsyncClient, card: dict[str, Any]) -> None:
        self.http = http
        self.card = card

    async def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._read(await self.http.post(self.card["control_url"] + path, json=body or {}))

    async def get(self, path: str) -> Any:
        return self._read(await self.http.get(self.card["control_url"] + path))

    def _read(self, reply: httpx.Response) -> Any:
        if reply.is_error:
            raise StepBroken(f"simulator: {reply.status_code} {reply.text[:200]}")
        return msgspec.json.decode(reply.content) if reply.content else None

    async def new_payer(self) -> str:
        payer = await self.post("/payers")
        return payer.get("openid") or payer["user_id"]

    async def login_code(self, payer: str) -> str:
        return (await self.post(f"/payers/{payer}/login-codes"))["code"]

    async def pay(self, payer: str, what: dict[str, Any]) -> dict[str, Any]:
        return await self.post(f"/payers/{payer}/payments", what)

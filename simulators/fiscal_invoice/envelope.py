"""The envelope around every message: who, what in Base64, said once, signed with MD5."""

import hashlib
import secrets
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from datetime import timedelta
from typing import Any, TypeVar

import msgspec

from app.kernel.clock import wall
from simulators.fiscal_invoice.platform import FiscalInvoice
from simulators.fiscal_invoice.refusals import (
    Refusal,
    bad_field,
    malformed,
    noise_used,
    unknown_app,
    wrong_sign,
    wrong_version,
)
from simulators.store import stored

VERSION = "1.0"
OK = "S0000"
NOISE_KEPT = timedelta(days=1)

T = TypeVar("T")


class Envelope(msgspec.Struct, frozen=True):
    appid: str
    data: str
    noise: str
    version: str
    sign: str


def signature(appid: str, data: str, noise: str, key: str) -> str:
    """MD5, upper case. The key stands before the version: the order is part of the protocol."""
    text = f"appid={appid}&data={data}&noise={noise}&key={key}&version={VERSION}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()


def opened(platform: FiscalInvoice, body: bytes) -> bytes:
    """The business message of a request whose signature has been believed, each noise once."""
    try:
        asked = msgspec.json.decode(body, type=Envelope)
    except msgspec.DecodeError as error:
        raise malformed("须为含 appid、data、noise、version、sign 的 JSON") from error
    if asked.appid != platform.identity.appid:
        raise unknown_app()
    if asked.version != VERSION:
        raise wrong_version()
    expected = signature(asked.appid, asked.data, asked.noise, platform.identity.app_key)
    if not secrets.compare_digest(expected.encode(), asked.sign.encode()):
        raise wrong_sign()
    if not 1 <= len(asked.noise) <= 64:
        raise malformed("noise 须为 1 至 64 位")
    _only_once(platform, asked.noise)
    try:
        return b64decode(asked.data, validate=True)
    except NotBase64 as error:
        raise malformed("data 须为 Base64") from error


def text_within(body: bytes) -> str:
    """What a message says, for a fault's reference; empty if nobody can tell."""
    try:
        return b64decode(msgspec.json.decode(body, type=Envelope).data).decode(errors="replace")
    except (msgspec.DecodeError, NotBase64):
        return ""


def parse(data: bytes, kind: type[T]) -> T:
    """The business message as this Struct, or the refusal that names the field."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:  # ValidationError is one of them
        raise bad_field(str(error)) from error


def sealed(platform: FiscalInvoice, message: bytes, key: str) -> dict[str, str]:
    """A message of the platform's own."""
    appid, noise, data = platform.identity.appid, secrets.token_hex(16), b64encode(message).decode()
    return {"appid": appid, "data": data, "noise": noise, "version": VERSION} | {
        "sign": signature(appid, data, noise, key)
    }


def told(content: Any) -> bytes:
    """A success: what is told is Base64 once more."""
    text = content if isinstance(content, str) else msgspec.json.encode(content).decode()
    return msgspec.json.encode({"result": OK, "message": b64encode(text.encode()).decode()})


def refused(refusal: Refusal) -> bytes:
    message = b64encode(refusal.message.encode()).decode()
    return msgspec.json.encode({"result": refusal.code, "message": message})


def _only_once(platform: FiscalInvoice, noise: str) -> None:
    now = wall()
    platform.store.run("delete from noise where at < :long_ago", long_ago=stored(now - NOISE_KEPT))
    new = platform.store.run(
        "insert or ignore into noise (noise, at) values (:noise, :now)", noise=noise, now=stored(now)
    )
    if new == 0:
        raise noise_used()

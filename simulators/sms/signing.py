"""Who calls: the RPC signature in the parameters (V1), or the newer one in the headers (V3)."""

import hashlib
import hmac
import re
import secrets
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote

from app.kernel.clock import wall
from simulators.sms.platform import Sms
from simulators.sms.refusals import (
    bad_timestamp,
    expired_timestamp,
    incomplete_signature,
    missing,
    nonce_used,
    signature_mismatch,
    unknown_key,
)
from simulators.store import stored

STAMP = "%Y-%m-%dT%H:%M:%SZ"
CLOCKS_MAY_DIFFER = timedelta(minutes=15)
HEADER_ALGORITHM = "ACS3-HMAC-SHA256"
HEADER = re.compile(
    rf"{HEADER_ALGORITHM} Credential=(?P<key>[^,]+),\s*SignedHeaders=(?P<names>[^,]+),"
    r"\s*Signature=(?P<sign>[0-9a-f]+)"
)
NEEDED = ("x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256")


class Wire(NamedTuple):
    """A request as it came over the wire."""

    method: str
    path: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Caller(NamedTuple):
    action: str
    version: str


def check(platform: Sms, wire: Wire) -> Caller:
    """Which action is asked for, once the signature has been believed."""
    if wire.headers.get("authorization", "").startswith(HEADER_ALGORITHM):
        return _by_headers(platform, wire)
    return _by_parameters(platform, {**wire.query, **wire.form}, wire.method)


def _by_parameters(platform: Sms, given: Mapping[str, str], method: str) -> Caller:
    for name in ("Action", "Version", "AccessKeyId", "Timestamp", "SignatureNonce", "Signature"):
        if not given.get(name):
            raise missing(name)
    if given.get("SignatureMethod", "HMAC-SHA1") != "HMAC-SHA1":
        raise incomplete_signature()
    _check_key(platform, given["AccessKeyId"])
    _check_time(given["Timestamp"])
    text = string_to_sign(method, {k: v for k, v in given.items() if k != "Signature"})
    key = f"{platform.identity.access_key_secret}&".encode()
    expected = b64encode(hmac.digest(key, text.encode(), "sha1")).decode()
    _compare(expected, given["Signature"], text)
    _only_once(platform, given["SignatureNonce"])
    return Caller(given["Action"], given["Version"])


def string_to_sign(method: str, given: Mapping[str, str]) -> str:
    """The method, a slash, and the sorted parameters, each percent-encoded, the whole once more."""
    return f"{method}&%2F&{_encoded(_canonical(given))}"


def _by_headers(platform: Sms, wire: Wire) -> Caller:
    found = HEADER.match(wire.headers["authorization"])
    if found is None:
        raise incomplete_signature()
    _check_key(platform, found["key"])
    for name in NEEDED:
        if not wire.headers.get(name):
            raise missing(name)
    names = found["names"].split(";")
    if not set(NEEDED).issubset(names):
        raise incomplete_signature()
    _check_time(wire.headers["x-acs-date"])
    payload = hashlib.sha256(wire.body).hexdigest()
    lines = "".join(f"{name}:{wire.headers.get(name, '').strip()}\n" for name in names)
    request = "\n".join((wire.method, wire.path, _canonical(wire.query), lines, found["names"], payload))
    text = f"{HEADER_ALGORITHM}\n{hashlib.sha256(request.encode()).hexdigest()}"
    secret = platform.identity.access_key_secret.encode()
    _compare(hmac.digest(secret, text.encode(), "sha256").hex(), found["sign"], text)
    if wire.headers["x-acs-content-sha256"] != payload:
        raise signature_mismatch(text)
    _only_once(platform, wire.headers["x-acs-signature-nonce"])
    return Caller(wire.headers["x-acs-action"], wire.headers["x-acs-version"])


def _canonical(given: Mapping[str, str]) -> str:
    return "&".join(f"{_encoded(k)}={_encoded(v)}" for k, v in sorted(given.items()))


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")


def _check_key(platform: Sms, key: str) -> None:
    if key != platform.identity.access_key_id:
        raise unknown_key()


def _check_time(text: str) -> None:
    try:
        sent = datetime.strptime(text, STAMP).replace(tzinfo=UTC)
    except ValueError as error:
        raise bad_timestamp() from error
    if abs(wall() - sent) > CLOCKS_MAY_DIFFER:
        raise expired_timestamp()


def _compare(expected: str, given: str, text: str) -> None:
    if not secrets.compare_digest(expected.encode(), given.encode()):
        raise signature_mismatch(text)


def _only_once(platform: Sms, nonce: str) -> None:
    now = wall()
    platform.store.run("delete from nonce where at < :old", old=stored(now - 2 * CLOCKS_MAY_DIFFER))
    new = platform.store.run(
        "insert or ignore into nonce values (:nonce, :now)", nonce=nonce, now=stored(now)
    )
    if new == 0:
        raise nonce_used()

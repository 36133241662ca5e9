"""RFC 6238: what an authenticator app shows. SHA-1, six digits, thirty seconds; every app knows these."""

import base64
import hmac
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

STEP_SECONDS = 30
DIGITS = 6
STEPS_ASIDE = 1  # how far the phone's clock may be off, in either direction
SEED_BYTES = 20  # RFC 4226, 4: 160 bits
ISSUER = "就医"


def new_seed() -> str:
    """A random seed as authenticator apps take it: base32, 32 characters."""
    return base64.b32encode(secrets.token_bytes(SEED_BYTES)).decode()


def step_at(instant: datetime) -> int:
    return int(instant.timestamp()) // STEP_SECONDS


def code_of(seed: str, step: int, *, digits: int = DIGITS) -> str:
    """The code of one step (RFC 4226, 5.3)."""
    digest = hmac.digest(base64.b32decode(seed), step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def steps_of(seed: str, code: str, *, at: datetime) -> list[int]:
    """The steps around `at` whose code this is: none, one, or by chance more. Takes equally long for all."""
    now = step_at(at)
    near = range(max(0, now - STEPS_ASIDE), now + STEPS_ASIDE + 1)
    return [step for step in near if hmac.compare_digest(code_of(seed, step).encode(), code.encode())]


def enrolment_uri(seed: str, *, login_name: str) -> str:
    """What the QR code says: the key URI format of authenticator apps."""
    wanted = urlencode(
        {"secret": seed, "issuer": ISSUER, "algorithm": "SHA1", "digits": DIGITS, "period": STEP_SECONDS},
        quote_via=quote,
    )
    return f"otpauth://totp/{quote(ISSUER)}:{quote(login_name)}?{wanted}"

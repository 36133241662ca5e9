"""RFC 6238's own vectors, and what must hold for every seed."""

import base64
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.identity.totp import (
    DIGITS,
    STEP_SECONDS,
    STEPS_ASIDE,
    code_of,
    enrolment_uri,
    new_seed,
    step_at,
    steps_of,
)

RFC_SEED = base64.b32encode(b"12345678901234567890").decode()
VECTORS = [  # RFC 6238, appendix B, SHA-1
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]


@pytest.mark.parametrize(("seconds", "code"), VECTORS)
def test_the_standards_vectors(seconds: int, code: str) -> None:
    step = step_at(datetime.fromtimestamp(seconds, UTC))
    assert code_of(RFC_SEED, step, digits=8) == code
    assert code_of(RFC_SEED, step) == code[-DIGITS:]


def test_a_seed_is_new_each_time_and_has_160_bits() -> None:
    seeds = {new_seed() for _ in range(100)}
    assert len(seeds) == 100
    assert {len(base64.b32decode(seed)) for seed in seeds} == {20}


@given(st.binary(min_size=20, max_size=20), st.integers(0, 2**33), st.integers(-5, 5))
def test_a_code_is_good_in_its_own_and_the_neighbouring_steps(key: bytes, at: int, aside: int) -> None:
    seed = base64.b32encode(key).decode()
    moment = datetime.fromtimestamp(at, UTC)
    step = max(0, step_at(moment) + aside)
    near = abs(step - step_at(moment)) <= STEPS_ASIDE
    found = steps_of(seed, code_of(seed, step), at=moment)
    assert (step in found) is near
    assert all(abs(other - step_at(moment)) <= STEPS_ASIDE for other in found)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60))
def test_the_address_of_the_qr_code_survives_any_login_name(name: str) -> None:
    uri = urlsplit(enrolment_uri(RFC_SEED, login_name=name))
    asked = parse_qs(uri.query)
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert unquote(uri.path) == f"/就医:{name}"
    assert asked["secret"] == [RFC_SEED]
    assert (asked["period"], asked["digits"]) == ([str(STEP_SECONDS)], [str(DIGITS)])

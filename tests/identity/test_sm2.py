"""The standard's own example, an independent signer, and everything that must not verify."""

import pytest

from app.identity import sm2
from tests.identity.sm2_signer import Signer

# GB/T 32918.5-2017, A.2.
KEY = (
    0x09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020,
    0xCCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13,
)
MESSAGE = b"message digest"
R = 0xF5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3
S = 0xB1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA


def test_the_standards_example_verifies() -> None:
    assert sm2.verifies(KEY, r=R, s=S, message=MESSAGE)


@pytest.mark.parametrize(
    ("r", "s", "message"),
    [
        pytest.param(R, S, b"message digesT", id="another message"),
        pytest.param(R ^ 1, S, MESSAGE, id="another r"),
        pytest.param(R, S ^ 1, MESSAGE, id="another s"),
        pytest.param(0, S, MESSAGE, id="r of nothing"),
        pytest.param(R, 0, MESSAGE, id="s of nothing"),
        pytest.param(-R, S, MESSAGE, id="r below"),
        pytest.param(R + sm2.N, S, MESSAGE, id="r above"),
        pytest.param(R, S + sm2.N, MESSAGE, id="s above"),
        pytest.param(R, sm2.N - R, MESSAGE, id="t of nothing"),
    ],
)
def test_anything_else_does_not(r: int, s: int, message: bytes) -> None:
    assert not sm2.verifies(KEY, r=r, s=s, message=message)


def encoded(point: tuple[int, int], *, kind: int = 4) -> bytes:
    return bytes([kind]) + b"".join(number.to_bytes(32, "big") for number in point)


def test_only_points_of_the_curve_are_keys() -> None:
    assert sm2.read_point(encoded(KEY)) == KEY
    assert sm2.read_point(encoded((KEY[0], KEY[1] ^ 1))) is None
    assert sm2.read_point(encoded(KEY, kind=2)) is None
    assert sm2.read_point(encoded(KEY)[:-1]) is None
    assert sm2.read_point(encoded((0, 0))) is None
    assert sm2.read_point(b"") is None


def test_an_independent_signer_is_understood() -> None:
    for _ in range(5):
        signer = Signer()
        point = sm2.read_point(signer.point)
        assert point is not None
        r, s = signer.sign(MESSAGE)
        assert sm2.verifies(point, r=r, s=s, message=MESSAGE)
        assert not sm2.verifies(KEY, r=r, s=s, message=MESSAGE)


def test_the_group_has_its_order_and_its_zero() -> None:
    """The branches of the addition that a signature hardly ever reaches."""
    times, add = sm2._times, sm2._add  # pyright: ignore[reportPrivateUsage] - the arithmetic itself
    assert times(sm2.N, sm2.G) is None
    assert times(sm2.N + 1, sm2.G) == sm2.G
    assert add(sm2.G, None) == sm2.G == add(None, sm2.G)
    assert add(sm2.G, sm2.G) == times(2, sm2.G)

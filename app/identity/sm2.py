"""Verifying SM2 signatures (GB/T 32918.2 with the curve of 32918.5). There are no secrets here to leak.

The library at hand neither checks the ranges of a signature nor the key, so the equation stands here,
proven with the standard's own example and against that library as an independent signer.
"""

from cryptography.hazmat.primitives.hashes import SM3, Hash

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)
SIGNER_ID = b"1234567812345678"  # GB/T 32918.2's default, which devices use unless told otherwise
COORDINATE_BYTES = 32

Point = tuple[int, int]


def read_point(encoded: bytes) -> Point | None:
    """The point of an uncompressed encoding (04, X, Y), or None where it is not on the curve."""
    if len(encoded) != 1 + 2 * COORDINATE_BYTES or encoded[0] != 4:
        return None
    x = int.from_bytes(encoded[1 : 1 + COORDINATE_BYTES], "big")
    y = int.from_bytes(encoded[1 + COORDINATE_BYTES :], "big")
    on_curve = x < P and y < P and (y * y - (x * x * x + A * x + B)) % P == 0
    return (x, y) if on_curve else None


def verifies(key: Point, *, r: int, s: int, message: bytes) -> bool:
    """Section 7.1: ranges, then R = (e + x1) mod n with (x1, y1) = [s]G + [t]P."""
    if not (1 <= r < N and 1 <= s < N):
        return False
    t = (r + s) % N
    if t == 0:
        return False
    point = _add(_times(s, G), _times(t, key))
    return point is not None and (_digest(key, message) + point[0]) % N == r


def _digest(key: Point, message: bytes) -> int:
    numbers = (A, B, *G, *key)
    z = _sm3(
        (len(SIGNER_ID) * 8).to_bytes(2, "big")
        + SIGNER_ID
        + b"".join(number.to_bytes(COORDINATE_BYTES, "big") for number in numbers)
    )
    return int.from_bytes(_sm3(z + message), "big")


def _sm3(data: bytes) -> bytes:
    made = Hash(SM3())
    made.update(data)
    return made.finalize()


def _times(scalar: int, point: Point) -> Point | None:
    total: Point | None = None
    adding: Point | None = point
    while scalar:
        if scalar & 1:
            total = _add(total, adding)
        adding = _add(adding, adding)
        scalar >>= 1
    return total


def _add(one: Point | None, other: Point | None) -> Point | None:
    """The group's addition; None is its zero."""
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % P == 0:
        return None
    slope = (3 * x1 * x1 + A) * pow(2 * y1, -1, P) if one == other else (y2 - y1) * pow(x2 - x1, -1, P)
    x3 = (slope * slope - x1 - x2) % P
    return x3, (slope * (x1 - x3) - y1) % P

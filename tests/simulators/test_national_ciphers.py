"""SM2, SM3 and SM4: the standards' own examples, and three implementations that must agree."""

import secrets
import shutil
import subprocess
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from gmssl import sm3
from gmssl.sm4 import SM4_DECRYPT, SM4_ENCRYPT, CryptSM4

from app.identity import sm2
from simulators import national_ciphers as ciphers

OPENSSL = shutil.which("openssl") or ""
SM4_KEY = bytes.fromhex("0123456789abcdeffedcba9876543210")

# GB/T 32918.5, annex A: the example signature over "message digest" with the default signer id.
PRIVATE = 0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8
PUBLIC = bytes.fromhex(
    "0409F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
    "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)
EXAMPLE = (
    "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
    "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
)


def test_sm2_standard_example() -> None:
    assert ciphers.key_of(PRIVATE).public == PUBLIC
    signature = b64encode(bytes.fromhex(EXAMPLE)).decode()
    assert ciphers.verifies(PUBLIC, b"message digest", signature)
    assert not ciphers.verifies(PUBLIC, b"message digesT", signature)


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ],
)
def test_sm3_standard_examples(message: bytes, digest: str) -> None:
    assert ciphers.sm3(message).hex() == digest
    assert sm3.sm3_hash(list(message)) == digest
    assert _openssl("dgst", "-sm3", "-binary", stdin=message).hex() == digest


def test_sm4_standard_example() -> None:
    """One block under its own key; the padding that every message gets follows it."""
    sealed = b64decode(ciphers.encrypt(SM4_KEY, SM4_KEY))
    assert sealed[:16].hex() == "681edf34d206965e86b3e94f536e4246"
    assert len(sealed) == 32


def test_sm2_signatures_agree(tmp_path: Path) -> None:
    """Ours, the hospital's verifier and OpenSSL believe the same signatures, and none a wrong key's."""
    message = "infcode=0&签名=是".encode()
    for _ in range(3):
        key, other = ciphers.new_key(), ciphers.new_key()
        raw = b64decode(ciphers.sign(key, message))
        r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
        for holder, believed in ((key, True), (other, False)):
            point = sm2.read_point(holder.public)
            assert point is not None
            assert sm2.verifies(point, r=r, s=s, message=message) is believed
            assert ciphers.verifies(holder.public, message, b64encode(raw).decode()) is believed
            assert _openssl_verifies(tmp_path, holder, message, _der(r, s)) is believed


def test_openssl_signatures_and_keys_are_read(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(_openssl("genpkey", "-algorithm", "SM2"))
    key = ciphers.stored_key(path)
    (tmp_path / "message").write_bytes(b"from outside")
    der = _openssl(
        *("pkeyutl", "-sign", "-rawin", "-digest", "sm3", "-inkey", str(path)),
        *("-in", str(tmp_path / "message"), "-pkeyopt", "distid:1234567812345678"),
    )
    signature = b64encode(_raw(der)).decode()
    assert ciphers.verifies(key.public, b"from outside", signature)
    assert not ciphers.verifies(ciphers.new_key().public, b"from outside", signature)


def test_sm4_agrees_and_a_wrong_key_fails() -> None:
    for size in (0, 1, 15, 16, 17, 1000):
        key, plain = secrets.token_bytes(16), secrets.token_bytes(size)
        sealed = ciphers.encrypt(key, plain)
        assert ciphers.decrypt(key, sealed) == plain
        assert _openssl("enc", "-sm4-ecb", "-K", key.hex(), stdin=plain) == b64decode(sealed)
        assert _openssl("enc", "-d", "-sm4-ecb", "-K", key.hex(), stdin=b64decode(sealed)) == plain
        if plain:
            assert _gmssl_sm4(key, SM4_ENCRYPT, plain) == b64decode(sealed)
            assert _gmssl_sm4(key, SM4_DECRYPT, b64decode(sealed)) == plain
        wrong = bytes([key[0] ^ 1]) + key[1:]
        assert _decrypted(wrong, sealed) != plain


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        bytes(64),
        bytes(32) + b"\x01" * 32,
        b"\x01" * 32 + bytes(32),
        ciphers.N.to_bytes(32, "big") + b"\x01" * 32,
        (1).to_bytes(32, "big") + (ciphers.N - 1).to_bytes(32, "big"),
        b"\x01" * 63,
        b"\x01" * 65,
    ],
)
def test_numbers_out_of_range_are_no_signature(raw: bytes) -> None:
    assert not ciphers.verifies(PUBLIC, b"message digest", b64encode(raw).decode())


def test_a_point_off_the_curve_is_no_key() -> None:
    signature = b64encode(bytes.fromhex(EXAMPLE)).decode()
    off = PUBLIC[:-1] + bytes([PUBLIC[-1] ^ 1])
    assert not ciphers.on_curve(off)
    assert not ciphers.verifies(off, b"message digest", signature)
    assert not ciphers.verifies(PUBLIC, b"message digest", "not base64!")


def test_a_key_that_begins_with_zeros_and_fours_verifies() -> None:
    """gmssl's constructor would strip them: the reason why the key is set afterwards."""
    private = next(d for d in range(1, 2000) if ciphers.key_of(d).public[1] in (0x00, 0x04, 0x40, 0x44))
    key = ciphers.key_of(private)
    assert ciphers.verifies(key.public, b"m", ciphers.sign(key, b"m"))


def _openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    assert OPENSSL, "the OpenSSL program is one of the three witnesses"
    return subprocess.run([OPENSSL, *arguments], input=stdin, capture_output=True, check=True).stdout


def _openssl_verifies(folder: Path, key: ciphers.SM2Key, message: bytes, der: bytes) -> bool:
    for name, content in (("key", ciphers.public_pem(key)), ("message", message), ("signature", der)):
        (folder / name).write_bytes(content)
    asked = [
        *("pkeyutl", "-verify", "-rawin", "-digest", "sm3", "-pubin", "-inkey", str(folder / "key")),
        *("-in", str(folder / "message"), "-sigfile", str(folder / "signature")),
        *("-pkeyopt", "distid:1234567812345678"),
    ]
    told = subprocess.run([OPENSSL, *asked], capture_output=True, check=False)
    assert (
        b"Signature Verified Successfully" in told.stdout or b"Signature Verification Failure" in told.stdout
    )
    return told.returncode == 0


def _der(r: int, s: int) -> bytes:
    numbers = b"".join(
        b"\x02" + bytes([len(n)]) + n for n in (v.to_bytes(v.bit_length() // 8 + 1, "big") for v in (r, s))
    )
    return b"\x30" + bytes([len(numbers)]) + numbers


def _raw(der: bytes) -> bytes:
    length = der[3]
    r, s = der[4 : 4 + length], der[6 + length :]
    return b"".join(int.from_bytes(n, "big").to_bytes(32, "big") for n in (r, s))


def _gmssl_sm4(key: bytes, mode: int, data: bytes) -> bytes:
    cipher = CryptSM4()
    cipher.set_key(key, mode)
    return cipher.crypt_ecb(data)


def _decrypted(key: bytes, sealed: str) -> bytes | None:
    try:
        return ciphers.decrypt(key, sealed)
    except ValueError:
        return None

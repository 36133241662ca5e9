"""Fields open only in their place, searches find them, and a changed key is another key. In both suites."""

import base64
import os
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SM3, Hash
from hypothesis import given
from hypothesis import strategies as st

from app.kernel import crypto
from app.kernel.crypto import (
    SM4GCM,
    Key,
    KeyRing,
    Suite,
    Undecipherable,
    blind_index,
    blind_indexes,
    decrypt,
    encrypt,
    keyed_hash,
    new_keys,
    open_token,
    read_key_ring,
    replace_key_ring,
    sign_token,
)
from app.kernel.settings import settings

pytestmark = pytest.mark.usefixtures("data_folder")

BLOCK = bytes.fromhex("0123456789abcdeffedcba9876543210")


def ring_of(*suites: Suite) -> KeyRing:
    """Keys 1, 2, ...; the last ones are current."""
    made = {str(at): new_keys(suite) for at, suite in enumerate(suites, 1)}
    last = str(len(suites))
    return KeyRing(
        fields={key_id: pair[0] for key_id, pair in made.items()},
        field_current=last,
        indexes={key_id: pair[1] for key_id, pair in made.items()},
        index_current=last,
    )


@pytest.fixture(params=list(Suite))
def suite(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Suite:
    ring = ring_of(request.param)
    monkeypatch.setattr(crypto, "key_ring", lambda: ring)
    monkeypatch.setattr(crypto, "fresh_key_ring", lambda: ring)
    return request.param


@given(st.text(max_size=200))
def test_a_field_opens_in_its_place_only(plain: str) -> None:
    stored = encrypt(plain, context="person.phone.1")
    assert decrypt(stored, context="person.phone.1") == plain
    with pytest.raises(Undecipherable):
        decrypt(stored, context="person.phone.2")


@pytest.mark.usefixtures("suite")
def test_moved_to_another_column_or_row_it_does_not_open() -> None:
    stored = encrypt("13800138000", context="person.phone.1")
    assert decrypt(stored, context="person.phone.1") == "13800138000"
    for place in ("person.phone.2", "person.address.1", "", "person.phone.1 "):
        with pytest.raises(Undecipherable):
            decrypt(stored, context=place)


@pytest.mark.usefixtures("suite")
def test_the_same_field_looks_different_each_time() -> None:
    assert encrypt("13800138000", context="c") != encrypt("13800138000", context="c")


@pytest.mark.usefixtures("suite")
def test_no_changed_bit_and_no_unknown_key_opens() -> None:
    key_id, _, body = encrypt("13800138000", context="c").partition(":")
    raw = base64.b64decode(body)
    changed = [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in range(len(raw))]
    bodies = [base64.b64encode(one).decode() for one in [*changed, raw[:-1], raw[:20], raw[:5], b""]]
    for bad in [*(f"{key_id}:{one}" for one in bodies), f"9:{body}", body, "", f"{key_id}:?{body}"]:
        with pytest.raises(Undecipherable):
            decrypt(bad, context="c")


@pytest.mark.usefixtures("suite")
def test_another_key_under_the_same_id_does_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = encrypt("13800138000", context="c")
    for other in Suite:
        ring = ring_of(other)
        monkeypatch.setattr(crypto, "key_ring", lambda ring=ring: ring)
        with pytest.raises(Undecipherable):
            decrypt(stored, context="c")


@pytest.mark.usefixtures("suite")
def test_an_index_is_equal_for_equal_values_of_one_column() -> None:
    assert blind_index("13800138000", column="phone") == blind_index("13800138000", column="phone")
    assert blind_index("13800138000", column="phone") != blind_index("13800138001", column="phone")
    assert blind_index("13800138000", column="phone") != blind_index("13800138000", column="id_number")
    assert "13800138000" not in blind_index("13800138000", column="phone")
    assert len(blind_index("13800138000", column="phone")) <= 80


@pytest.mark.parametrize("newer", list(Suite))
def test_old_keys_still_open_and_find_while_new_ones_are_used(
    newer: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = ring_of(Suite.AES_GCM, newer)
    monkeypatch.setattr(crypto, "key_ring", lambda: before)
    before = msgspec.structs.replace(both, field_current="1", index_current="1")
    stored, found, token = (
        encrypt("x", context="c"),
        blind_index("x", column="c"),
        sign_token(b"t", purpose="p"),
    )
    monkeypatch.setattr(crypto, "key_ring", lambda: both)
    assert decrypt(stored, context="c") == "x"
    assert encrypt("x", context="c").startswith("2:")
    assert blind_indexes("x", column="c") == [found, blind_index("x", column="c")]
    assert blind_index("x", column="c").startswith("2:")
    assert open_token(token, purpose="p") == b"t"
    assert sign_token(b"t", purpose="p") != token


def test_the_key_file_is_made_once_and_only_for_us(tmp_path: Path) -> None:
    path = crypto.ensure_key_ring(tmp_path / "keys")
    first = path.read_bytes()
    assert crypto.ensure_key_ring(tmp_path / "keys").read_bytes() == first
    assert path.stat().st_mode & 0o077 == 0
    ring = read_key_ring(path)
    assert (ring.field_current, ring.fields["1"].suite) == ("1", Suite.AES_GCM)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_file_of_before_the_suites_still_opens(tmp_path: Path) -> None:
    secret = base64.b64encode(bytes(32)).decode()
    path = tmp_path / "keys.json"
    told = {"fields": {"1": secret}, "field_current": "1", "indexes": {"1": secret}, "index_current": "1"}
    path.write_bytes(msgspec.json.encode(told))
    ring = read_key_ring(path)
    assert ring.fields == ring.indexes == {"1": Key(secret=secret, suite=Suite.AES_GCM)}
    replace_key_ring(path, ring)
    assert read_key_ring(path) == ring
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_hospital_can_begin_with_sm4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JIUYI_SUITE", "sm4-gcm")
    settings.cache_clear()
    ring = read_key_ring(crypto.ensure_key_ring(tmp_path / "sm4"))
    assert ring.fields["1"].suite is ring.indexes["1"].suite is Suite.SM4_GCM
    monkeypatch.setenv("JIUYI_SUITE", "sm3")
    settings.cache_clear()
    with pytest.raises(crypto.UnknownSuite):
        crypto.ensure_key_ring(tmp_path / "other")
    monkeypatch.undo()
    settings.cache_clear()


def test_a_key_is_never_shown() -> None:
    ring = ring_of(*Suite)
    assert not [
        key.secret for key in (*ring.fields.values(), *ring.indexes.values()) if key.secret in repr(ring)
    ]


def test_a_process_learns_of_a_new_ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a second of any use, and at once where a value stands under a key that it does not know."""
    path = crypto.ensure_key_ring(tmp_path)
    monkeypatch.setattr(crypto, "keys_folder", lambda: tmp_path)
    monkeypatch.setattr(crypto, "_RING_FILE", crypto.RingFile())
    now = [100.0]
    monkeypatch.setattr(crypto.time, "monotonic", lambda: now[0])
    first = crypto.key_ring()
    field, index = new_keys(Suite.SM4_GCM)
    both = msgspec.structs.replace(
        first, fields={**first.fields, "2": field}, indexes={**first.indexes, "2": index}, field_current="2"
    )
    replace_key_ring(path, both)
    now[0] += crypto.LOOK_SECONDS / 2
    assert crypto.key_ring() == first
    with monkeypatch.context() as other_process:
        other_process.setattr(crypto, "_RING_FILE", crypto.RingFile())
        stored = encrypt("x", context="c")
    assert stored.startswith("2:")
    assert decrypt(stored, context="c") == "x"
    replace_key_ring(path, first)
    assert crypto.key_ring() == both
    now[0] += crypto.LOOK_SECONDS
    assert crypto.key_ring() == first
    path.unlink()
    now[0] += crypto.LOOK_SECONDS
    assert crypto.key_ring() == first, "a disk that is away for a moment stops nobody"
    monkeypatch.setattr(crypto, "_RING_FILE", crypto.RingFile())
    with pytest.raises(FileNotFoundError):
        crypto.key_ring()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_root_leaves_the_file_to_its_owner(tmp_path: Path) -> None:
    path = crypto.ensure_key_ring(tmp_path)
    os.chown(path, 4711, 4712)
    replace_key_ring(path, read_key_ring(path))
    assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (4711, 4712, 0o600)


@pytest.mark.usefixtures("suite")
def test_a_token_opens_for_its_purpose_only() -> None:
    token = sign_token(b"payload", purpose="a")
    assert open_token(token, purpose="a") == b"payload"
    assert open_token(token, purpose="b") is None
    assert open_token("x" + token, purpose="a") is None
    assert open_token("", purpose="a") is None


def test_vector_sm3() -> None:
    hashed = Hash(SM3())
    hashed.update(b"abc")
    expected = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert hashed.finalize().hex() == expected


def test_vector_sm4_block() -> None:
    sealing = Cipher(algorithms.SM4(BLOCK), modes.ECB()).encryptor()
    assert sealing.update(BLOCK).hex() == "681edf34d206965e86b3e94f536e4246"


def test_vector_sm4_gcm() -> None:
    """RFC 8998, A.1."""
    plain = b"".join(bytes([byte]) * 8 for byte in bytes.fromhex("aabbccddeeffeeaa"))
    place = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    nonce = bytes.fromhex("00001234567800000000abcd")
    sealed = SM4GCM(BLOCK).encrypt(nonce, plain, place)
    assert sealed.hex() == (
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
        "83de3541e4c2b58177e065a9bf7b62ec"
    )
    assert SM4GCM(BLOCK).decrypt(nonce, sealed, place) == plain


def test_vector_hmac() -> None:
    """RFC 4231 case 2; and HMAC-SM3 from its definition, RFC 2104."""
    key, message = b"Jefe", b"what do ya want for nothing?"
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert keyed_hash(Suite.AES_GCM, key, message).hex() == expected

    def sm3(data: bytes) -> bytes:
        hashed = Hash(SM3())
        hashed.update(data)
        return hashed.finalize()

    padded = key.ljust(64, b"\0")
    inner = sm3(bytes(byte ^ 0x36 for byte in padded) + message)
    assert keyed_hash(Suite.SM4_GCM, key, message) == sm3(bytes(byte ^ 0x5C for byte in padded) + inner)

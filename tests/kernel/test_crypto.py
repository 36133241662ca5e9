"""Fields open only in their place, searches find them, and a changed key is another key."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel import crypto
from app.kernel.crypto import KeyRing, Undecipherable, blind_index, blind_indexes, decrypt, encrypt

pytestmark = pytest.mark.usefixtures("data_folder")


@given(st.text(max_size=200))
def test_a_field_opens_in_its_place_only(plain: str) -> None:
    stored = encrypt(plain, context="person.phone.1")
    assert decrypt(stored, context="person.phone.1") == plain
    with pytest.raises(Undecipherable):
        decrypt(stored, context="person.phone.2")


def test_the_same_field_looks_different_each_time() -> None:
    assert encrypt("13800138000", context="c") != encrypt("13800138000", context="c")


def test_a_changed_value_or_an_unknown_key_does_not_open() -> None:
    stored = encrypt("13800138000", context="c")
    other = stored[:-6] + ("AAAA" if stored[-6:-2] != "AAAA" else "BBBB") + stored[-2:]
    for bad in (other, "9:" + stored.partition(":")[2]):
        with pytest.raises(Undecipherable):
            decrypt(bad, context="c")


def test_an_index_is_equal_for_equal_values_of_one_column() -> None:
    assert blind_index("13800138000", column="phone") == blind_index("13800138000", column="phone")
    assert blind_index("13800138000", column="phone") != blind_index("13800138001", column="phone")
    assert blind_index("13800138000", column="phone") != blind_index("13800138000", column="id_number")
    assert "13800138000" not in blind_index("13800138000", column="phone")


def test_old_keys_still_open_and_find_while_new_ones_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    old = crypto.key_ring()
    stored, found = encrypt("x", context="c"), blind_index("x", column="c")
    fresh = msgspec.structs.replace(
        old,
        fields={**old.fields, "2": old.indexes["1"]},
        field_current="2",
        indexes={**old.indexes, "2": old.fields["1"]},
        index_current="2",
    )
    monkeypatch.setattr(crypto, "key_ring", lambda: fresh)
    assert decrypt(stored, context="c") == "x"
    assert encrypt("x", context="c").startswith("2:")
    assert found in blind_indexes("x", column="c")
    assert blind_index("x", column="c").startswith("2:")


def test_the_key_file_is_made_once_and_only_for_us(tmp_path: Path) -> None:
    path = crypto.ensure_key_ring(tmp_path / "keys")
    first = path.read_bytes()
    assert crypto.ensure_key_ring(tmp_path / "keys").read_bytes() == first
    assert path.stat().st_mode & 0o077 == 0
    assert msgspec.json.decode(first, type=KeyRing).field_current == "1"
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_token_opens_for_its_purpose_only() -> None:
    token = crypto.sign_token(b"payload", purpose="a")
    assert crypto.open_token(token, purpose="a") == b"payload"
    assert crypto.open_token(token, purpose="b") is None
    assert crypto.open_token("x" + token, purpose="a") is None
    assert crypto.open_token("", purpose="a") is None

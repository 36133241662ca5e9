"""A new key is published before it signs; an old one verifies until the last of its tokens has expired."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from joserfc import jwt

from app import cli
from app.identity import token_keys, tokens
from app.kernel import clock
from app.kernel.actor import ActorKind
from app.kernel.ids import new_id
from app.kernel.settings import settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("JIUYI_DATA", str(tmp_path))
    settings.cache_clear()
    yield tmp_path / "keys"
    monkeypatch.undo()
    settings.cache_clear()


def token(*, seconds: int = token_keys.TOKEN_SECONDS_MAX) -> str:
    now = int(clock.wall().timestamp())
    return tokens.issue_token(
        tokens.Claims(
            sub=new_id(),
            sid=new_id(),
            kind=ActorKind.STAFF,
            role="doctor",
            channel="staff",
            av=1,
            exp=now + seconds,
            auth_time=now,
        )
    )


def kids() -> list[object]:
    return [key["kid"] for key in token_keys.public_keys()["keys"]]


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(clock, "wall", lambda: moment)


def test_a_rotation_loses_no_token(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began = clock.wall()
    at(monkeypatch, began)
    old = token_keys.signing_key().kid
    added = token_keys.rotate_token_keys(folder)
    fresh = added.jwk["kid"]
    assert kids() == [old, fresh]
    assert token_keys.signing_key().kid == old, "others may not have read the new key yet"

    begins = datetime.fromtimestamp(added.sign_from, began.tzinfo)
    assert begins - began >= timedelta(seconds=token_keys.JWKS_SECONDS)
    at(monkeypatch, begins - timedelta(seconds=1))
    last = token()
    at(monkeypatch, begins)
    assert token_keys.signing_key().kid == fresh
    assert {tokens.read_token(last).role, tokens.read_token(token()).role} == {"doctor"}

    at(monkeypatch, begins + timedelta(seconds=token_keys.TOKEN_SECONDS_MAX - 2))
    assert tokens.read_token(last).role == "doctor", "its last second"
    at(monkeypatch, begins + timedelta(seconds=token_keys.TOKEN_SECONDS_MAX))
    assert kids() == [fresh]
    with pytest.raises(tokens.TokenRefused):
        tokens.read_token(last)


def test_a_key_that_nothing_needs_is_deleted_at_the_next_rotation(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = clock.wall()
    old = token_keys.signing_key().kid
    token_keys.rotate_token_keys(folder)
    at(monkeypatch, began + timedelta(hours=1))
    token_keys.rotate_token_keys(folder)
    stored = msgspec.json.decode((folder / token_keys.KEYS_FILE).read_bytes(), type=list[token_keys.TokenKey])
    assert len(stored) == 2
    assert old not in {key.jwk["kid"] for key in stored}


def test_no_kind_of_token_outlives_its_key() -> None:
    assert max(tokens.TOKEN_SECONDS.values()) <= token_keys.TOKEN_SECONDS_MAX


def test_a_retired_key_signs_for_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not for whoever kept it and writes a fresh date."""
    began = clock.wall()
    stolen = token_keys.signing_key()
    token_keys.rotate_token_keys(folder)
    at(monkeypatch, began + timedelta(hours=1))
    claims = jwt.decode(token(), token_keys.signing_key()).claims
    forged = jwt.encode({"alg": "ES256", "typ": tokens.TYPE, "kid": stolen.kid}, claims, stolen)
    with pytest.raises(tokens.TokenRefused):
        tokens.read_token(forged)


def test_the_keys_are_kept_for_us_alone(folder: Path) -> None:
    path = token_keys.ensure_token_keys(folder)
    before = path.read_bytes()
    assert token_keys.ensure_token_keys(folder).read_bytes() == before
    token_keys.rotate_token_keys(folder)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in folder.iterdir()] == [token_keys.KEYS_FILE]
    assert all("d" not in key for key in token_keys.public_keys()["keys"])


def test_the_command_rotates(folder: Path) -> None:
    before = kids()
    done = CliRunner().invoke(cli.main, ["keys", "rotate-tokens"])
    assert done.exit_code == 0, done.output
    assert kids()[:1] == before
    assert str(kids()[1]) in done.output

"""A folder is a whole, unchanged backup, or it is refused by the name of what is wrong."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from app.backup import envelope, folder, taking
from app.backup.envelope import PassphraseTooShort, WrongPassphrase, refuse_short
from app.backup.folder import CannotWrite, UnusableBackup, open_backup
from tests.backup.conftest import PASSPHRASE, Hospital, jiuyi
from tests.backup.quick import WORK, seal_quickly

REAL_WORK_MIN = 15


def flip(path: Path, place: float) -> None:
    at = int((path.stat().st_size - 1) * place)
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def lengthen(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\n")


def tell_other_rows(path: Path) -> None:
    told = json.loads(path.read_text())
    told["tables"][0]["rows"] += 1
    path.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n")


DAMAGES: list[tuple[str, Callable[[Path], object]]] = [
    (folder.DATABASE, lambda path: flip(path, 0)),
    (folder.DATABASE, lambda path: flip(path, 0.5)),
    (folder.DATABASE, lambda path: flip(path, 1)),
    (folder.DATABASE, cut),
    (folder.DATABASE, Path.unlink),
    (folder.SECRETS, lambda path: flip(path, 0.7)),
    (folder.ANCHORS, lengthen),
    (folder.IDENTITY, lambda path: flip(path, 0.9)),
    (folder.MANIFEST, lambda path: flip(path, 0.3)),
    (folder.MANIFEST, tell_other_rows),
    (folder.MANIFEST, lengthen),
    (folder.MANIFEST, Path.unlink),
]


@pytest.fixture
def quick(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    """The passphrase's two seconds are asked for elsewhere."""
    monkeypatch.setattr(folder, "open_identity", lambda _sealed, _passphrase: hospital.identity)


@pytest.mark.usefixtures("quick")
def test_an_unchanged_copy_opens(copy: Path, hospital: Hospital):
    assert open_backup(copy, PASSPHRASE)[0] == hospital.manifest


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("damage", range(len(DAMAGES)), ids=lambda n: f"{n}-{DAMAGES[n][0]}")
def test_every_damage_is_found_by_name(copy: Path, damage: int):
    name, harm = DAMAGES[damage]
    harm(copy / name)
    with pytest.raises(UnusableBackup, match=name.replace(".", r"\.")):
        open_backup(copy, PASSPHRASE)


def test_a_wrong_passphrase_is_told_as_such(hospital: Hospital):
    with pytest.raises(WrongPassphrase, match="口令不正确"):
        open_backup(hospital.backup, PASSPHRASE + "!")


def test_the_real_envelope_costs_who_guesses():
    """What these tests make instead is cheap, and the real program opens it all the same."""
    identity = envelope.new_identity()
    sealed = envelope.seal_identity(identity, PASSPHRASE)
    assert work_of(sealed) >= REAL_WORK_MIN
    assert envelope.open_identity(sealed, PASSPHRASE) == identity
    quick = seal_quickly(identity, PASSPHRASE)
    assert work_of(quick) == WORK
    assert envelope.open_identity(quick, PASSPHRASE) == identity


def work_of(sealed: bytes) -> int:
    """The power of two that scrypt was asked for."""
    stanza = sealed.splitlines()[1].decode()
    assert stanza.startswith("-> scrypt ")
    return int(stanza.rsplit(" ", 1)[1])


def test_a_short_passphrase_is_refused():
    assert refuse_short("x" * envelope.PASSPHRASE_CHARACTERS_MIN)
    with pytest.raises(PassphraseTooShort, match="至少需要 16 个字符"):
        refuse_short("x" * (envelope.PASSPHRASE_CHARACTERS_MIN - 1))


def test_a_backup_of_a_later_format_is_refused(copy: Path):
    path = copy / folder.MANIFEST
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(UnusableBackup, match="更新的版本"):
        folder.read_manifest(copy)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path):
    (tmp_path / "letter").write_text("mine")
    with pytest.raises(CannotWrite, match="不是空的"):
        folder.prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter"]


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path):
    target = tmp_path / "copy"
    folder.prepare(target)
    with pytest.raises(CannotWrite, match="No space left"):
        write_until_full(target)
    assert list(target.iterdir()) == []


def write_until_full(target: Path) -> None:
    with taking.emptied_on_error(target), folder.writing(target):
        (target / folder.IDENTITY).write_bytes(b"x")
        with Path("/dev/full").open("wb", 0) as full:
            full.write(b"x")


def test_an_unwritable_place_is_one_sentence():
    with pytest.raises(CannotWrite, match="不能写入备份目录"):
        folder.prepare(Path("/proc/backup"))


def test_nothing_in_the_folder_tells_of_a_patient(hospital: Hospital):
    """The manifest is all that can be read; the control: the same words stand in the opened dump."""
    words = [
        b"person.",
        b"id_number",
        "演示".encode(),
        b"BEGIN PRIVATE KEY",
        b"DATABASE_URL",
        PASSPHRASE.encode(),
    ]
    for path in hospital.backup.iterdir():
        assert [word for word in words if word in path.read_bytes()] == [], path.name
    assert oct(hospital.backup.stat().st_mode)[-3:] == "700"


def test_the_command_refuses_a_short_passphrase_from_a_file(tmp_path: Path):
    (tmp_path / "secret").write_text("short\n")
    done = jiuyi("backup", tmp_path / "copy", "--passphrase-file", tmp_path / "secret", data=tmp_path / "var")
    assert done.returncode == 1
    assert done.stderr.startswith("jiuyi: 备份口令太短")
    assert not (tmp_path / "copy").exists()


def test_where_there_is_no_hospital_there_is_nothing_to_back_up(tmp_path: Path):
    done = jiuyi("backup", tmp_path / "copy", data=tmp_path / "var")
    assert done.returncode == 1
    assert "没有找到要备份的医院" in done.stderr
    assert list((tmp_path / "copy").iterdir()) == []

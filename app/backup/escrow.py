"""What a new machine needs beside the database: keys, secrets, certificates, settings; and the anchors."""

import io
import os
import tarfile
from pathlib import Path

import msgspec

from app.backup.envelope import Identity, seal, unseal
from app.backup.folder import ANCHORS, SECRETS, UnusableBackup, sync_to_disk
from app.kernel.settings import Settings
from app.launch import environment

# Of the data folder; the servers' own folders, logs and figures are left out, as they are made anew.
KEPT = ("keys", "secrets", "tls", "simulators", "demo")
SECRET_SETTINGS = ("database_url", "redis_url")
CONFIGURATION = "restored/configuration.env"
OUTSIDE = "restored"  # what stood outside the data folder comes back here, to be put where it belongs
ESCROW_BYTES_MAX = 64 << 20  # keys are small; the rest of a folder that grew beyond this is not a secret


class TooLarge(UnusableBackup):
    """Something that is no key lies among the keys."""


def plain_settings(config: Settings) -> dict[str, str]:
    """The settings that are no secret, for the manifest."""
    return {
        name: str(value)
        for name, value in msgspec.structs.asdict(config).items()
        if name not in SECRET_SETTINGS and value not in ("", False)
    }


def write_secrets(folder: Path, config: Settings, identity: Identity) -> None:
    sources = {name: config.data / name for name in KEPT}
    for name, path in (
        ("tls_certificate", config.tls_certificate),
        ("tls_key", config.tls_key),
        ("simulators", config.simulators),
    ):
        if path and not Path(path).absolute().is_relative_to(config.data):
            sources[f"{OUTSIDE}/{name}"] = Path(path)
    _write(folder / SECRETS, sources, {CONFIGURATION: environment.ours().encode()}, identity)


def write_anchors(folder: Path, folders: list[Path], identity: Identity) -> None:
    """Of the first folder that is there: all tell the same."""
    there = [place for place in folders if place.is_dir() and any(place.iterdir())]
    _write(folder / ANCHORS, {"anchors": there[0]} if there else {}, {}, identity)


def _write(target: Path, sources: dict[str, Path], texts: dict[str, bytes], identity: Identity) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, source in sources.items():
            if source.exists():
                tar.add(source, arcname=name, filter=_plain_files)
        for name, text in texts.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o600
            tar.addfile(entry, io.BytesIO(text))
    if packed.tell() > ESCROW_BYTES_MAX:
        raise TooLarge(
            f"需要托管的密钥目录超过 {ESCROW_BYTES_MAX >> 20} MB。"
            f"请把不是密钥的文件移出 {'、'.join(KEPT)} 目录。没有留下备份。"
        )
    packed.seek(0)
    with target.open("xb") as file:
        seal(packed, file, identity)
        sync_to_disk(file)


def _plain_files(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Neither links nor owners: the next machine's user owns what comes back, alone."""
    if not (entry.isfile() or entry.isdir()):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o700 if entry.isdir() else 0o600
    return entry


class Escrow:
    """An opened archive, in memory only."""

    def __init__(self, source: Path, identity: Identity) -> None:
        plain = io.BytesIO()
        with source.open("rb") as file:
            unseal(file, plain, identity)
        plain.seek(0)
        with tarfile.open(fileobj=plain) as tar:
            self.files = {entry.name: _content(tar, entry) for entry in tar.getmembers() if entry.isfile()}

    def names(self) -> set[str]:
        return {name.partition("/")[0] for name in self.files}

    def differs(self, data: Path, name: str) -> bool:
        """Whether a folder of this name is there and holds something else."""
        if not (data / name).exists():
            return False
        ours = {path: content for path, content in self.files.items() if path.partition("/")[0] == name}
        there = {
            str(path.relative_to(data)): path.read_bytes()
            for path in (data / name).rglob("*")
            if path.is_file()
        }
        return any(ours.get(path) != content for path, content in there.items())

    def unpack(self, data: Path, *, below: str = "") -> None:
        """Every file (of the folder `below`) 0600 in folders 0700, on disk before anything uses it."""
        for name, content in self.files.items():
            path = data / name.removeprefix(f"{below}/")
            if not path.resolve().is_relative_to(data.resolve()):
                raise UnusableBackup(f"备份中的文件名 {name} 指向数据目录之外,没有恢复。")
            for folder in reversed(path.relative_to(data).parents[:-1]):
                (data / folder).mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                sync_to_disk(file)


def _content(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    opened = tar.extractfile(entry)
    assert opened is not None
    return opened.read()

"""The folder of a backup: which files it has, what the manifest tells of them, and whether that is true."""

import hashlib
import hmac
import importlib.metadata
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import msgspec

from app.backup.envelope import Identity, manifest_key, open_identity
from app.launch.refusals import CannotStart

FORMAT = 1
MANIFEST = "manifest.json"
IDENTITY = "identity.age"
DATABASE = "database.sql.gz.age"
SECRETS = "secrets.tar.gz.age"
ANCHORS = "anchors.tar.gz.age"
FILES = (IDENTITY, DATABASE, SECRETS, ANCHORS)
CHUNK_BYTES = 1 << 20


class FileFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    bytes: int
    sha256: str


class TableFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`digest` is a sum over the rows' salted hashes: equal for equal rows in any order."""

    name: str
    rows: int
    digest: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be read without the passphrase. `mac` is over all the rest, under a key from the escrow."""

    format: int = FORMAT
    id: UUID
    taken_at: datetime
    program: str
    migrations: list[str]
    postgresql: str
    owner: str  # of the tables: elsewhere it may have another name
    dump_bytes: int  # before compression
    last_seal: int | None
    settings: dict[str, str]
    tables: list[TableFacts]
    files: list[FileFacts]
    mac: str = ""


class UnusableBackup(CannotStart):
    """The folder is no whole, unchanged backup; the message names the file."""


class CannotWrite(CannotStart):
    """The folder cannot be written to."""


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """What the system says about disks, as one sentence."""
    try:
        yield
    except ConnectionError as error:
        raise CannotStart("备份时与数据库的连接中断了。没有留下备份,请稍后重试。") from error
    except OSError as error:
        raise CannotWrite(
            f"不能写入备份目录 {folder}({error.strerror or error})。"
            "请检查剩余空间和权限,或换一个目录;没有完成的文件已经删除。"
        ) from error


def program_version() -> str:
    try:
        return importlib.metadata.version("jiuyi")
    except importlib.metadata.PackageNotFoundError:
        return "checkout"  # run from its sources, without having been installed


def prepare(folder: Path) -> None:
    with writing(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CannotWrite(
                f"备份目录 {folder} 不是空的。每次备份请用一个新目录,"
                f"例如 {folder}/2026-11-23;没有 {MANIFEST} 的目录是没有完成的备份,可以删除。"
            )
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)


def facts_of(path: Path) -> FileFacts:
    """Reads what is on the disk, not what is still in memory."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return FileFacts(path.name, path.stat().st_size, digest.hexdigest())


def sync_to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def sync_names(folder: Path) -> None:
    """A rename is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_manifest(folder: Path, manifest: Manifest, identity: Identity) -> Manifest:
    """Last of all, and in one step: without it the folder is no backup."""
    signed = msgspec.structs.replace(manifest, mac=_mac(manifest, manifest_key(identity)))
    half = folder / f"{MANIFEST}.new"
    with half.open("xb") as file:
        file.write(_encoded(signed))
        sync_to_disk(file)
    half.rename(folder / MANIFEST)
    sync_names(folder)
    return signed


def open_backup(folder: Path, passphrase: str) -> tuple[Manifest, Identity]:
    """The manifest and the key of a whole, unchanged backup; else UnusableBackup or WrongPassphrase."""
    manifest = read_manifest(folder)
    for told in manifest.files:
        refuse_changed(folder, told)
    identity = open_identity((folder / IDENTITY).read_bytes(), passphrase)
    if not hmac.compare_digest(_mac(manifest, manifest_key(identity)), manifest.mac):
        raise UnusableBackup(f"备份已损坏:{folder / MANIFEST} 被改动过。请使用另一份备份。")
    return manifest, identity


def read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        raise UnusableBackup(f"备份不完整:{path} 不存在。备份没有完成,或复制时漏掉了文件;请使用另一份备份。")
    try:
        raw = path.read_bytes()
        version = msgspec.json.decode(raw, type=dict[str, Any]).get("format")
        if isinstance(version, int) and version > FORMAT:
            raise UnusableBackup(f"备份 {folder} 来自更新的版本,请先升级程序再恢复。数据没有改动。")
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnusableBackup(f"备份已损坏:{path} 不能读取。请使用另一份备份。") from error
    if _encoded(manifest) != raw or sorted(told.name for told in manifest.files) != sorted(FILES):
        raise UnusableBackup(f"备份已损坏:{path} 被改动过。请使用另一份备份。")
    return manifest


def refuse_changed(folder: Path, told: FileFacts) -> None:
    path = folder / told.name
    if not path.is_file():
        raise UnusableBackup(f"备份不完整:缺少文件 {path}。请重新复制整个目录,或使用另一份备份。")
    found = path.stat().st_size
    if found != told.bytes:
        raise UnusableBackup(
            f"备份已损坏:{path} 应有 {told.bytes} 字节,实有 {found} 字节。请使用另一份备份。"
        )
    if facts_of(path) != told:
        raise UnusableBackup(f"备份已损坏:{path} 的内容与清单不符。请使用另一份备份。")


def _encoded(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def _mac(manifest: Manifest, key: bytes) -> str:
    plain = msgspec.json.encode(msgspec.structs.replace(manifest, mac=""))
    return hmac.new(key, plain, hashlib.sha256).hexdigest()

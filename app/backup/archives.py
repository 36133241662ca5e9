"""Folders as encrypted tar files, in streams of any length: nothing plain touches the disk."""

import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from app.backup.envelope import Identity, seal, unseal
from app.backup.folder import CHUNK_BYTES, UnusableBackup, sync_to_disk


def pack(target: Path, sources: Mapping[str, Path], texts: Mapping[str, bytes], identity: Identity) -> None:
    """Files and folders under the names they get there; a file that grows meanwhile is cut where it was."""
    reading, writing = os.pipe()
    with (
        ThreadPoolExecutor(1) as beside,
        os.fdopen(reading, "rb") as packed,
        target.open("xb") as file,
    ):
        packing = beside.submit(_pack, writing, sources, texts)
        seal(packed, file, identity)
        sync_to_disk(file)
    packing.result()


def _pack(writing: int, sources: Mapping[str, Path], texts: Mapping[str, bytes]) -> None:
    with os.fdopen(writing, "wb") as pipe, tarfile.open(fileobj=pipe, mode="w|gz") as tar:
        for name, source in sources.items():
            if source.exists():
                tar.add(source, arcname=name, filter=_plain_files)
        for name, text in texts.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o600
            tar.addfile(entry, io.BytesIO(text))


def _plain_files(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Neither links nor owners: the next machine's user owns what comes back, alone."""
    if not (entry.isfile() or entry.isdir()):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o700 if entry.isdir() else 0o600
    return entry


def contents(source: Path, identity: Identity) -> Iterator[tuple[str, bytes]]:
    """The files of an archive one after another. Raises UnusableBackup where it is none."""
    with _unsealed(source, identity) as pipe:
        try:
            with tarfile.open(fileobj=pipe, mode="r|gz") as tar:
                for entry in tar:
                    if entry.isfile():
                        opened = tar.extractfile(entry)
                        assert opened is not None
                        yield entry.name, opened.read()
        except (tarfile.TarError, EOFError) as error:
            raise UnusableBackup(f"备份已损坏:{source} 不能读取。请使用另一份备份。") from error


@contextmanager
def _unsealed(source: Path, identity: Identity) -> Iterator[io.BufferedReader]:
    reading, writing = os.pipe()

    def push() -> None:
        with source.open("rb") as file, os.fdopen(writing, "wb") as pipe:
            unseal(file, pipe, identity)

    with ThreadPoolExecutor(1) as beside, os.fdopen(reading, "rb") as pipe:
        pushing = beside.submit(push)
        yield pipe
        while pipe.read(CHUNK_BYTES):
            pass  # what pads the archive, up to its authenticated end
    pushing.result()


def unpack(files: Iterator[tuple[str, bytes]], folder: Path) -> None:
    """Every file 0600 in folders 0700, on disk before anything uses it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in files:
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UnusableBackup(f"备份中的文件名 {name} 指向目录之外,没有恢复。")
        for parent in reversed(path.relative_to(folder).parents[:-1]):
            (folder / parent).mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            sync_to_disk(file)

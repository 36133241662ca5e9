"""Anchors: seals told to files outside of the database, one JSON object a line, best on another machine.

A folder holds `seals-YYYYMM.jsonl`, by the seals' own months, and the public keys. Lines are only added.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.traces.chain import Archived, Line, Restored, Seal, key_id_of, public_pem

FILES = "seals-*.jsonl"
ARCHIVES = "archives.jsonl"
LOCK_FILE = ".lock"
TAIL_BYTES = 65_536  # more than the longest line


class AnchorAstray(Exception):
    """The folder tells of other seals than the database has; nothing is added to it until somebody looks."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A folder as it stood at one moment: how many bytes of which files, and where a restore cut it."""

    files: dict[Path, int]
    cuts: list[tuple[int, Restored]]  # before how many lines in all

    @property
    def empty(self) -> bool:
        return not any(self.files.values())


def last_line(folder: Path) -> Line | None:
    """The newest whole line, however the process that wrote the next one ended."""
    for path in sorted(folder.glob(FILES), reverse=True):
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            for raw in reversed(file.read().split(b"\n")[:-1]):
                if (line := parsed(raw)) is not None:
                    return line
    return None


def parsed(raw: bytes) -> Line | None:
    """The line, or None for what is none: a writer was cut off in the middle."""
    try:
        return msgspec.json.decode(raw, type=Line)
    except msgspec.DecodeError:
        return None


def tell(folder: Path, lines: Iterable[Line], key: Ed25519PrivateKey) -> None:
    """Append these lines and see them on the disk, unless another teller was faster. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        last = last_line(folder)
        told = last.no if last is not None else 0
        _tell(folder, [line for line in lines if isinstance(line, Restored) or line.no > told], key)


def tell_archived(folder: Path, line: Archived) -> None:
    """See on the disk that a month left the database, once. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if line not in archived_in(folder):
            _append(folder / ARCHIVES, msgspec.json.encode(line) + b"\n")


def archived_in(folder: Path) -> list[Archived]:
    """The months that the folder knows to have left; a line that a writer was cut off in is none."""
    found: list[Archived] = []
    path = folder / ARCHIVES
    for raw in path.read_bytes().splitlines() if path.exists() else []:
        with suppress(msgspec.DecodeError):
            found.append(msgspec.json.decode(raw, type=Archived))
    return found


def _tell(folder: Path, lines: Iterable[Line], key: Ed25519PrivateKey) -> None:
    public = folder / f"seal-{key_id_of(key.public_key())}.pub.pem"
    if not public.exists():
        public.write_bytes(public_pem(key))
    by_file: dict[Path, list[bytes]] = {}
    for line in lines:
        path = folder / f"seals-{line.at:%Y%m}.jsonl"
        by_file.setdefault(path, []).append(msgspec.json.encode(line))
    for path, encoded in by_file.items():
        _append(path, b"\n".join(encoded) + b"\n")


def _append(path: Path, text: bytes) -> None:
    fresh = not path.exists()
    with path.open("ab+") as file:
        if file.tell() and not _ends_whole(file.fileno(), file.tell()):
            text = b"\n" + text
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if fresh:
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # the new name itself
        finally:
            os.close(descriptor)


def _ends_whole(descriptor: int, size: int) -> bool:
    return os.pread(descriptor, 1, size - 1) == b"\n"


def look(folder: Path) -> Told:
    """What the folder tells now. What is added later is not asked: the database is read as of this moment."""
    files = {path: path.stat().st_size for path in sorted(folder.glob(FILES))}
    told = Told(files=files, cuts=[])
    for count, line in enumerate(_lines(told)):
        if isinstance(line, Restored):
            told.cuts.append((count, line))
    return told


def standing(told: Told) -> Iterator[Seal | bytes]:
    """The seals that still stand, in their order; a line that is none comes as it is."""
    for count, line in enumerate(_lines(told)):
        if isinstance(line, Restored):
            continue
        if isinstance(line, Seal) and any(at > count and cut.no < line.no for at, cut in told.cuts):
            continue
        yield line


def _lines(told: Told) -> Iterator[Line | bytes]:
    torn = b""
    for path, size in told.files.items():
        with path.open("rb") as file:
            while file.tell() < size:
                raw = file.readline()
                line = parsed(raw)
                # What a writer left half written was written again, whole, on the next line.
                if torn and not (line is not None and raw.startswith(torn)):
                    yield torn
                torn = raw.rstrip(b"\n") if line is None and raw.endswith(b"\n") else b""
                if line is not None:
                    yield line
    if torn:
        yield torn

"""A month of a trace as an encrypted file: one JSON object a line, gzip, age; written, and read back."""

import gzip
import hashlib
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import msgspec

from app.backup.dumping import GZIP
from app.backup.envelope import Identity, Unsealable, seal, unseal
from app.backup.folder import sync_to_disk
from app.launch.refusals import CannotStart
from app.traces.archived import first_day, next_month

WINDOW_LINES = 2_000


class UnusableArchive(CannotStart):
    """The file is not the month that it is named after."""


class Line(msgspec.Struct, frozen=True):
    """An entry as its seal knows it: `leaf` is the SHA-256 of `text`, docs/algorithms/seals.md."""

    seal: int
    place: int
    leaf: str
    text: str


# A month's entries with their leaves; an entry without one is told by the count of lines.
ENTRIES = """
SELECT l.seal_no, l.place, l.digest, pg_temp.leaf_text(kept) AS text
FROM seal_leaf l JOIN {source} kept ON kept.entry = l.entry AND kept.at = l.at
WHERE l.source = '{source}' AND l.at >= '{first}Z' AND l.at < '{end}Z'
ORDER BY l.seal_no, l.place
"""


async def write_month(
    connection: asyncpg.Connection, path: Path, identity: Identity, *, source: str, month: str
) -> None:
    """Nothing plain touches the disk. In a transaction of one moment, with the verification's functions."""
    first = first_day(month)
    # The names are ours, the days are dates.
    sql = ENTRIES.format(source=source, first=f"{first} 00:00", end=f"{next_month(first)} 00:00")
    reading, writing = os.pipe()
    with (
        ThreadPoolExecutor(1) as beside,
        os.fdopen(reading, "rb") as packed,
        path.open("xb") as file,
    ):
        os.fchmod(file.fileno(), 0o600)
        sealing = beside.submit(seal, packed, file, identity)
        with os.fdopen(writing, "wb") as pipe, gzip.GzipFile("", "wb", 6, pipe, 0) as text:
            async for row in connection.cursor(sql, prefetch=WINDOW_LINES):
                line = Line(row["seal_no"], row["place"], row["digest"].hex(), row["text"])
                text.write(msgspec.json.encode(line) + b"\n")
        sealing.result()
        sync_to_disk(file)


def read_month(path: Path, identity: Identity) -> tuple[int, str]:
    """How many entries the file holds and the SHA-256 of their leaves, each line checked against its leaf.

    Raises UnusableArchive for a file that is cut, changed, or of another key.
    """
    checked = Checked()
    try:
        with path.open("rb") as file:
            unseal(file, checked, identity)
        return checked.end()
    except (Unsealable, zlib.error, msgspec.DecodeError, ValueError) as error:
        raise UnusableArchive(f"归档文件 {path} 已损坏或被改动，请使用它的另一份副本。") from error


class Checked:
    """Takes the packed stream and keeps only what tells whether it is whole."""

    def __init__(self) -> None:
        self.unpacker = zlib.decompressobj(GZIP)
        self.rest = b""
        self.entries = 0
        self.last = (0, 0)
        self.leaves = hashlib.sha256()

    def write(self, data: bytes, /) -> None:
        *lines, self.rest = (self.rest + self.unpacker.decompress(data)).split(b"\n")
        for raw in lines:
            self._take(msgspec.json.decode(raw, type=Line))

    def _take(self, line: Line) -> None:
        leaf = bytes.fromhex(line.leaf)
        if hashlib.sha256(line.text.encode()).digest() != leaf or (line.seal, line.place) <= self.last:
            raise ValueError(line.seal)
        self.last = (line.seal, line.place)
        self.entries += 1
        self.leaves.update(leaf)

    def end(self) -> tuple[int, str]:
        if self.rest or not self.unpacker.eof:
            raise ValueError("cut")
        return self.entries, self.leaves.hexdigest()

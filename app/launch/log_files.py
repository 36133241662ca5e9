"""The logs in JIUYI_DATA/log: set aside before they are large, packed, kept for half a year, and bounded."""

import gzip
import os
import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

LOG_BYTES_MAX = 10_000_000
DAYS_KEPT = 190  # 网络安全法 第二十一条: logs of the network at least six months
SETTLE_SECONDS = 10.0  # our processes find the new file within a second: app/logs.py
LOOK_SECONDS = 10.0

# These hold their file open and know no renaming: what they write is copied, and the file emptied. A line
# written between the two is lost; they tell of themselves only, and nobody must keep that.
FOREIGN = frozenset({"postgres", "valkey"})
ASIDE = re.compile(r"-\d{8}T\d{6}(-\d+)?\.log$")


def keep_logs(folder: Path, *, bytes_max: int) -> list[Path]:
    """One look. Returns what had to go before its time because all logs together were too large."""
    for path in folder.glob("*.log"):
        if not ASIDE.search(path.name) and path.stat().st_size > LOG_BYTES_MAX:
            set_aside(path)
    for path in folder.glob("*.log"):
        if ASIDE.search(path.name) and age_seconds(path) > SETTLE_SECONDS:
            pack(path)
    packed = sorted(folder.glob("*.log.gz"), key=lambda path: path.stat().st_mtime)
    forget(path for path in packed if age_seconds(path) > DAYS_KEPT * 86400)
    return forget_beyond([path for path in packed if path.exists()], folder, bytes_max)


def set_aside(path: Path) -> Path:
    """Give the log another name; the next line makes a new file."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    aside, number = path.with_name(f"{path.stem}-{stamp}.log"), 1
    while aside.exists():
        aside, number = path.with_name(f"{path.stem}-{stamp}-{number}.log"), number + 1
    if path.stem in FOREIGN:
        shutil.copyfile(path, aside)
        os.truncate(path, 0)
    else:
        path.rename(aside)
    return aside


def pack(path: Path) -> None:
    """Some ten times smaller. It gets its name when it is whole; its age is that of its last line."""
    packing = path.with_suffix(".log.gz.part")
    with path.open("rb") as plain, gzip.open(packing, "wb", compresslevel=6) as packed:
        shutil.copyfileobj(plain, packed)
    shutil.copystat(path, packing)
    packing.rename(path.with_suffix(".log.gz"))
    path.unlink()


def forget(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink()


def forget_beyond(packed: list[Path], folder: Path, bytes_max: int) -> list[Path]:
    """The oldest go first. A full disk would stop the hospital, and with it every log."""
    total = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    gone: list[Path] = []
    for path in packed:
        if total <= bytes_max:
            break
        total -= path.stat().st_size
        path.unlink()
        gone.append(path)
    return gone


def age_seconds(path: Path) -> float:
    return time.time() - path.stat().st_mtime

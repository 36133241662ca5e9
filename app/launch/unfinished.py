"""A restore that was cut off: until it is done again, nothing starts on this data folder."""

import os
from pathlib import Path

import msgspec

from app.launch.refusals import CannotStart

MARK = "restore.unfinished"


class Restore(msgspec.Struct, frozen=True):
    """One restore, from its first change to its last."""

    id: str
    aside: str  # the folder for what was there before; empty where nothing was
    filling: bool  # the old has been set aside: what lies here now is ours


def refuse_unfinished(data: Path) -> None:
    if (data / MARK).exists():
        raise CannotStart(
            f"数据目录 {data} 上次的恢复没有完成,现在不能启动。"
            "请用同一份备份重新运行 jiuyi restore,它会从头再来。"
        )


def unfinished(data: Path) -> Restore | None:
    path = data / MARK
    return msgspec.json.decode(path.read_bytes(), type=Restore) if path.exists() else None


def mark(data: Path, restore: Restore) -> None:
    """On disk before anything else is."""
    half = data / f"{MARK}.new"
    with half.open("wb") as file:
        file.write(msgspec.json.encode(restore))
        file.flush()
        os.fsync(file.fileno())
    half.replace(data / MARK)


def done(data: Path) -> None:
    (data / MARK).unlink()

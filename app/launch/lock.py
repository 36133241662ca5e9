"""One hospital per data directory: an flock that dies with its holders."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.launch.processes import wait_while
from app.launch.refusals import CannotStart
from app.launch.unfinished import refuse_unfinished

ORPHANS_SECONDS = 6.0  # after kill -9 of a supervisor its children need a moment to go


@contextmanager
def hold(data: Path, *, restoring: bool = False) -> Iterator[int]:
    """Holds the data directory and yields the descriptor to be kept open in every child.

    Refused where a restore was cut off, unless it is being done again.

    The kernel drops the lock when the *last* process that has the descriptor is gone, so a start
    after kill -9 waits for the orphans of the former run instead of sharing their files.
    """
    descriptor = open_lock(data)
    try:
        if not wait_while(lambda: not taken(descriptor) and orphaned(data), ORPHANS_SECONDS):
            raise CannotStart(f"上次运行的进程还没有退出,请稍候再启动。数据目录:{data}")
        if not taken(descriptor):
            raise CannotStart(
                f"这个数据目录已有医院在运行(进程 {holder(data)}):{data}。"
                "请先停止它,或用 JIUYI_DATA 指定另一个目录。"
            )
        if not restoring:
            refuse_unfinished(data)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def open_lock(data: Path) -> int:
    try:
        data.mkdir(parents=True, exist_ok=True)
        return os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise CannotStart(
            f"不能写入数据目录 {data}({error.strerror})。"
            "请用该目录的属主运行,或用 JIUYI_DATA 指定另一个目录。"
        ) from error


def taken(descriptor: int) -> bool:
    """Tries to take the lock; taking it twice through one descriptor is harmless."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def orphaned(data: Path) -> bool:
    """Is the lock held only by children of a supervisor that is gone?"""
    pid = holder(data)
    return pid > 0 and not Path(f"/proc/{pid}").exists()


def holder(data: Path) -> int:
    text = (data / "lock").read_text().strip()
    return int(text) if text.isdigit() else 0


def running(data: Path) -> bool:
    """Is somebody holding this data directory now?"""
    path = data / "lock"
    if not path.exists():
        return False
    with path.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False

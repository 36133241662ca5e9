"""What may be done to the key ring: a rotation begins, becomes current and ends; old index keys retire."""

import fcntl
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from app.kernel import clock
from app.kernel.crypto import (
    KEY_FILE,
    Key,
    KeyRing,
    Rotation,
    Suite,
    new_keys,
    read_key_ring,
    replace_key_ring,
)
from app.kernel.errors import DomainError

LOCK_FILE = "rotation.lock"


class RotationRuns(DomainError):
    code = "rotation_runs"
    message = "另一个密钥命令正在运行，请等它结束后再试。"


class OtherRotationUnfinished(DomainError):
    code = "other_rotation_unfinished"
    message = "上一次密钥更换还没有完成，请先不带 --suite 运行 jiuyi keys rotate 把它做完。"


class RingUnfinished(DomainError):
    code = "rotation_unfinished"
    message = "密钥更换还没有完成，请先运行 jiuyi keys rotate 把它做完，再清理旧的索引密钥。"


@contextmanager
def held_ring(folder: Path) -> Iterator[Path]:
    """The key file, for one command at a time; a killed command holds nothing."""
    with (folder / LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RotationRuns from error
        yield folder / KEY_FILE


def begin(path: Path, suite: Suite | None) -> KeyRing:
    """Add the next keys, or find those of a rotation that did not come to its end."""
    ring = read_key_ring(path)
    if ring.rotation is not None:
        if suite not in (None, ring.rotation.suite):
            raise OtherRotationUnfinished(suite=ring.rotation.suite)
        return ring
    wanted = suite or ring.fields[ring.field_current].suite
    field, index = new_keys(wanted)
    next_one = Rotation(field=_next_id(ring.fields), index=_next_id(ring.indexes), suite=wanted)
    return _kept(
        path,
        ring,
        fields={**ring.fields, next_one.field: field},
        indexes={**ring.indexes, next_one.index: index},
        rotation=next_one,
    )


def _next_id(keys: Collection[str]) -> str:
    return str(max(map(int, keys)) + 1)


def make_current(path: Path) -> KeyRing:
    """From now on new values are made with the next keys. All processes have to know them already."""
    ring = read_key_ring(path)
    assert ring.rotation is not None
    return _kept(
        path,
        ring,
        field_current=ring.rotation.field,
        index_current=ring.rotation.index,
        current_from=clock.wall().replace(microsecond=0),
    )


def finish(path: Path) -> KeyRing:
    return _kept(path, read_key_ring(path), rotation=None)


def old_index_keys(ring: KeyRing) -> dict[str, Key]:
    if ring.rotation is not None:
        raise RingUnfinished
    return {key_id: key for key_id, key in ring.indexes.items() if key_id != ring.index_current}


def without_index_keys(path: Path, retired: Collection[str]) -> KeyRing:
    ring = read_key_ring(path)
    assert ring.index_current not in retired
    kept = {key_id: key for key_id, key in ring.indexes.items() if key_id not in retired}
    return _kept(path, ring, indexes=kept)


def _kept(path: Path, ring: KeyRing, **changes: object) -> KeyRing:
    changed = msgspec.structs.replace(ring, **changes)
    replace_key_ring(path, changed)
    return changed

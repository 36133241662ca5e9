"""A restore that is killed in its last step, at the anchors: each is told once, and none has a gap."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from app.kernel.settings import ROOT
from app.launch.unfinished import MARK
from app.traces.anchors import FILES, last_line, look, tell
from app.traces.chain import Restored, Seal, root_of, seal_key, sign
from tests.backup.conftest import Hospital, environment, jiuyi
from tests.conftest import clone, drop

CUT = """
import os, signal, sys
from pathlib import Path
from app.backup import escrow, restoring

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

step = sys.argv[1]
if step == "unpacking":
    contents = escrow.contents
    def one_of_them(path, identity):
        for count, found in enumerate(contents(path, identity)):
            if path.name == escrow.ANCHORS and count == 1:
                die()
            yield found
    escrow.contents = one_of_them
elif step == "telling":
    restoring.tell_anchors = die
else:
    restoring.tell = die
    tell_anchors = restoring.tell_anchors
    async def told(*words):
        await tell_anchors(*words)
        die()
    restoring.tell_anchors = told
restoring.run(Path(sys.argv[2]), os.environ["JIUYI_PASSPHRASE"], replace=False)
"""


@pytest.fixture
def given(servers: tuple[str, str]) -> Iterator[str]:
    """An empty database."""
    suffix = uuid4().hex[:10]
    yield clone(servers[0], None, suffix)
    drop(servers[0], suffix)


@pytest.fixture
def survived(hospital: Hospital, tmp_path: Path) -> Path:
    """Anchors on another machine: they know one seal more than the backup."""
    folder, key = tmp_path / "survived", seal_key(hospital.data / "keys")
    told = [seal for path in sorted((hospital.data / "anchors").glob(FILES)) for seal in seals(path)]
    newest = told[-1]
    root = root_of(previous=newest.root, no=newest.no + 1, digests=[])
    after = msgspec.structs.replace(newest, no=newest.no + 1, previous=newest.root, root=root, entries=0)
    tell(folder, [*told, sign(after, key)], key)
    return folder


def seals(path: Path) -> list[Seal]:
    return [msgspec.json.decode(line, type=Seal) for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize("step", ["unpacking", "telling", "told"])
def test_a_restore_killed_at_the_anchors_ends_as_if_it_had_not_been(
    hospital: Hospital, given: str, survived: Path, tmp_path: Path, step: str
):
    data, lost = tmp_path / "machine", tmp_path / "lost"
    told = {"DATABASE_URL": given, "JIUYI_ANCHORS": f"{survived}:{lost}"}
    words = [sys.executable, "-c", CUT, step, str(hospital.backup)]
    done = subprocess.run(
        words, cwd=ROOT, env=environment(data, **told), capture_output=True, timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert (data / MARK).exists()
    early = jiuyi("audit", "restored", "--reason", "电源中断", data=data, **told)
    assert early.returncode == 1
    assert "上次的恢复没有完成" in early.stderr, "half a restore is not to be signed for"
    again = jiuyi("restore", hospital.backup, data=data, **told)
    assert again.returncode == 0, again.stderr
    assert not (data / MARK).exists()
    assert isinstance(last_line(survived), Restored)
    assert len(look(survived).cuts) == 1, "told once"
    assert look(lost).cuts == []
    assert files_of(lost) == files_of(hospital.data / "anchors")
    late = jiuyi("audit", "restored", "--reason", "电源中断", data=data, **told)
    assert late.returncode == 0
    assert "无需声明" in late.stdout
    verified = jiuyi("audit", "verify", data=data, **told)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}

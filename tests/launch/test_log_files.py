"""Logs are set aside, packed, kept for half a year, and never fill the disk."""

import gzip
import os
import time
from pathlib import Path

import pytest

from app.launch import log_files
from app.launch.log_files import DAYS_KEPT, LOG_BYTES_MAX, keep_logs, set_aside
from app.launch.processes import last_line

PLENTY = 10**12


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "SETTLE_SECONDS", -1.0)


def aged(path: Path, days: float) -> Path:
    path.write_bytes(b"x" * 1000)
    at = time.time() - days * 86400
    os.utime(path, (at, at))
    return path


def test_a_large_log_is_set_aside_and_packed_with_every_line(tmp_path: Path) -> None:
    lines = "".join(f"line {number}\n" for number in range(LOG_BYTES_MAX // 9))
    (tmp_path / "worker.log").write_text(lines)
    (tmp_path / "serve.log").write_text("small\n")
    assert keep_logs(tmp_path, bytes_max=PLENTY) == []
    [packed] = tmp_path.glob("worker-*.log.gz")
    assert gzip.decompress(packed.read_bytes()).decode() == lines
    assert sorted(path.name for path in tmp_path.iterdir()) == ["serve.log", packed.name]


def test_a_log_is_not_packed_while_somebody_may_still_write_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "SETTLE_SECONDS", 60.0)
    (tmp_path / "worker.log").write_bytes(b"x" * (LOG_BYTES_MAX + 1))
    keep_logs(tmp_path, bytes_max=PLENTY)
    assert [path.suffix for path in tmp_path.iterdir()] == [".log"]


def test_a_server_that_knows_no_renaming_keeps_its_file(tmp_path: Path) -> None:
    path = tmp_path / "postgres.log"
    with path.open("ab", buffering=0) as held:
        held.write(b"before\n")
        aside = set_aside(path)
        held.write(b"after\n")
    assert aside.read_text() == "before\n"
    assert path.read_text() == "after\n"


def test_two_in_one_second_get_two_names(tmp_path: Path) -> None:
    names = set()
    for _ in range(3):
        (tmp_path / "serve.log").write_text("x")
        names.add(set_aside(tmp_path / "serve.log").name)
    assert len(names) == 3


def test_half_a_year_is_kept_and_no_more(tmp_path: Path) -> None:
    old = aged(tmp_path / "serve-20260101T000000.log.gz", DAYS_KEPT + 1)
    young = aged(tmp_path / "serve-20260201T000000.log.gz", 183)
    keep_logs(tmp_path, bytes_max=PLENTY)
    assert not old.exists()
    assert young.exists()


def test_all_logs_together_have_a_bound_and_the_oldest_go_first(tmp_path: Path) -> None:
    paths = [aged(tmp_path / f"serve-2026010{day}T000000.log.gz", 10 - day) for day in range(1, 6)]
    assert keep_logs(tmp_path, bytes_max=3000) == paths[:2]
    assert [path.exists() for path in paths] == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('{"event": "no such file", "level": "error"}\n', "no such file"),
        ("jiuyi: 请先启动\n", "jiuyi: 请先启动"),
        ("{broken\n", "{broken"),
        ("", ""),
    ],
)
def test_the_last_line_is_told_in_words(tmp_path: Path, written: str, read: str) -> None:
    (tmp_path / "serve.log").write_text(written)
    assert last_line(tmp_path / "serve.log") == read

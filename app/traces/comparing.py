"""One folder of anchors beside the chain in the database, seal by seal."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.traces.anchors import Told, standing
from app.traces.chain import Seal, is_signed
from app.traces.findings import Finding, Kind, Report

ANCHOR_SECONDS_MAX = 300  # how far an anchor may lag behind


class Compared:
    """Walks the folder's lines along with the database's seals, in bounded memory."""

    def __init__(
        self, folder: Path, told: Told, keys: Mapping[str, Ed25519PublicKey], report: Report, *, since: int
    ) -> None:
        self.folder = folder
        self.keys = dict(keys)
        self.report = report
        self.untold: Seal | None = None  # the first seal that the folder has not heard of
        self.lines = self._seals(standing(told), since)
        self.next = next(self.lines, None)
        for _, cut in told.cuts:
            if is_signed(cut, self.keys):
                at = cut.at.isoformat(timespec="seconds")
                report.notes.append(f"{at} 数据库曾恢复到第 {cut.no} 号封条（{cut.reason}）")
            else:
                self._find(cut.no, "恢复声明不是可信密钥的签名")

    def check(self, seal: Seal) -> None:
        """The folder knows this seal, word for word."""
        while self.next is not None and self.next.no < seal.no:
            self.next = next(self.lines, None)  # the database lost it, and the chain has said so
        if self.next is None or self.next.no > seal.no:
            self.untold = self.untold or seal
            return
        if self.next != seal and is_signed(self.next, self.keys):
            what = "锚点里同一号封条的内容不同"
            self.report.add(Finding(kind=Kind.REWRITE, what=what, seal=seal.no))
        elif self.next != seal:
            self._find(seal.no, "一行不是可信密钥的签名")
        self.next = next(self.lines, None)

    def finish(self, last: Seal | None, *, now: datetime, copy: bool) -> None:
        """What the folder knows beyond the database was cut off; what it lacks for long, it was not told."""
        first, newest = self.next, self.next
        while self.next is not None:
            if not is_signed(self.next, self.keys):
                self._find(self.next.no, "一行不是可信密钥的签名")
            newest, self.next = self.next, next(self.lines, None)
        if first is not None and newest is not None and not copy:
            ends = last.no if last is not None else 0
            what = f"锚点记有第 {first.no} 至 {newest.no} 号封条，数据库只到第 {ends} 号"
            self.report.add(Finding(kind=Kind.CUT, what=what, seal=first.no))
        if self.untold is not None and now - self.untold.at > timedelta(seconds=ANCHOR_SECONDS_MAX):
            self._find(self.untold.no, "久未收到这号封条")

    def _find(self, no: int, what: str) -> None:
        self.report.add(Finding(kind=Kind.ANCHOR, what=f"{self.folder.name}: {what}", seal=no))

    def _seals(self, lines: Iterator[Seal | bytes], since: int) -> Iterator[Seal]:
        """The seals after `since`; gaps, and lines that are none, are findings."""
        expected = 1
        for line in lines:
            if isinstance(line, bytes):
                self._find(expected, "一行无法读懂")
                continue
            if line.no != expected:
                self._find(line.no, f"此处应是第 {expected} 号封条")
            expected = max(expected, line.no + 1)
            if line.no > since:
                yield line

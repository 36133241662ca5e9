"""What a verification found: which kind, where, and how much was looked at."""

from enum import StrEnum

import msgspec

FINDINGS_MAX = 100  # told one by one; the rest is counted


class Kind(StrEnum):
    EDIT = "edit"  # an entry says something else than when it was sealed
    DELETE = "delete"  # a sealed entry, its leaf or a whole seal is gone
    INSERT = "insert"  # an entry that no seal knows, or older than it can be
    REORDER = "reorder"  # leaves stand in another order than they were sealed in
    CUT = "cut"  # the newest seals are gone: the anchors know more
    REWRITE = "rewrite"  # seals are not those that were signed, or not those that the anchors know
    UNSEALED = "unsealed"  # entries wait longer than a sealer at work would let them
    ANCHOR = "anchor"  # an anchor was changed, has gaps, or was left behind
    ROW = "row"  # a record is not what its newest version says: changed past the triggers


WORDS = {
    Kind.EDIT: "改动",
    Kind.DELETE: "删除",
    Kind.INSERT: "插入",
    Kind.REORDER: "调换",
    Kind.CUT: "截尾",
    Kind.REWRITE: "改写",
    Kind.UNSEALED: "未封存",
    Kind.ANCHOR: "锚点",
    Kind.ROW: "数据",
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`what` says it in a few words. What is not known is None."""

    kind: Kind
    what: str
    seal: int | None = None
    table: str | None = None
    entry: int | None = None
    record: str | None = None

    def __str__(self) -> str:
        places = [
            f"第 {self.seal} 号封条" if self.seal is not None else "",
            f"表 {self.table}" if self.table else "",
            f"记录 {self.entry}" if self.entry is not None else "",
            f"编号 {self.record}" if self.record else "",
        ]
        return f"[{WORDS[self.kind]}] {'，'.join(filter(None, places))}：{self.what}"


class CannotTell(Exception):
    """There is nothing to compare with; the text says what is missing."""


class Report(msgspec.Struct, kw_only=True):
    """A whole trace has no finding. `notes` tell what is in order and still worth knowing."""

    entries: int = 0
    seals: int = 0
    last_seal: int = 0
    waiting: int = 0  # entries that have no seal yet, younger than the bound
    archived: int = 0  # entries of which only the leaf is here
    anchors: int = 0
    rows: int = 0
    found: int = 0
    kinds: dict[str, int] = {}
    findings: list[Finding] = []
    notes: list[str] = []

    @property
    def whole(self) -> bool:
        return self.found == 0

    def add(self, finding: Finding) -> None:
        self.found += 1
        self.kinds[finding.kind] = self.kinds.get(finding.kind, 0) + 1
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)

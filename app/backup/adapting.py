"""A dump's statements, fitted to the server that takes them: other owner's name, older words, fewer roles.

pg_dump writes each of these on a line of its own; rows between COPY and its end are never touched.
"""

import re
from collections.abc import Callable, Iterator

import msgspec

from app.roles import BACKUP_ROLE, DEFINER_ROLE

COPY_BEGINS, COPY_ENDS = re.compile(rb"COPY .* FROM stdin;\n"), b"\\.\n"


class Target(msgspec.Struct, frozen=True):
    """Who takes the dump."""

    major: int
    owner: str
    has_backup_role: bool
    must_inherit: bool  # may enter jiuyi_definer, but has not its rights


def adapted(source_owner: str, target: Target) -> Callable[[bytes], bytes]:
    """The change of one line that is no row."""
    old, new = _quoted(source_owner), _quoted(target.owner)
    owner = re.compile(rf"(ALTER .* OWNER TO ){re.escape(old)};\n")
    granted = re.compile(rf"((?:GRANT|REVOKE) .* (?:TO|FROM) ){re.escape(old)};\n")
    policy = re.compile(rf"(CREATE POLICY .*? TO ){re.escape(old)}( (?:USING|WITH CHECK) .*\n)", re.DOTALL)

    def line_for(line: str) -> str:
        if line.startswith("SET transaction_timeout ") and target.major < 17:
            return ""
        if line.startswith(("GRANT ", "REVOKE ")):
            if line.endswith(f" {BACKUP_ROLE};\n") and not target.has_backup_role:
                return ""
            return granted.sub(rf"\g<1>{new};\n", line)
        if line.startswith("CREATE POLICY "):
            return policy.sub(rf"\g<1>{new}\g<2>", line)
        if line.startswith("ALTER "):
            return owner.sub(rf"\g<1>{new};\n", line) + _room_for_definer(line)
        return line

    return lambda line: line_for(line.decode()).encode() if line.startswith(_HEADS) else line


_HEADS = (b"SET transaction_timeout ", b"GRANT ", b"REVOKE ", b"CREATE POLICY ", b"ALTER ")


def _room_for_definer(line: str) -> str:
    """Who is to own functions must be allowed to make some there; the dump says so only at its end."""
    found = re.match(r"ALTER SCHEMA (\w+) OWNER TO", line)
    return f"GRANT USAGE, CREATE ON SCHEMA {found[1]} TO {DEFINER_ROLE};\n" if found else ""


def _quoted(name: str) -> str:
    """As pg_dump writes a role's name."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


class Lines:
    """Cuts a stream into lines, changes those that are statements, and hands everything on."""

    def __init__(self, change: Callable[[bytes], bytes], write: Callable[[bytes], object]) -> None:
        self.change = change
        self.write_on = write
        self.rest = b""
        self.in_rows = False

    def write(self, data: bytes) -> None:
        cut = (self.rest + data).rpartition(b"\n")
        self.rest = cut[2]
        if cut[0]:
            self.write_on(b"".join(self._changed(cut[0] + b"\n")))

    def end(self) -> None:
        self.write_on(self.rest)

    def _changed(self, text: bytes) -> Iterator[bytes]:
        for line in _split(text):
            if self.in_rows:
                self.in_rows = line != COPY_ENDS
                yield line
            else:
                self.in_rows = line.startswith(b"COPY ") and COPY_BEGINS.fullmatch(line) is not None
                yield self.change(line)


def _split(text: bytes) -> Iterator[bytes]:
    """By newline alone: a carriage return is part of a row."""
    for line in text.split(b"\n")[:-1]:
        yield line + b"\n"

"""Every column that is encrypted or blindly indexed, on one page: what a rotation has to rewrite."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec


def _as_it_is(plain: str, row: Mapping[str, Any]) -> str:
    return plain


def _with_platform(plain: str, row: Mapping[str, Any]) -> str:
    """Two platforms may know two people by one subject."""
    return f"{row['platform']}:{plain}"


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """An encrypted column. Its place is `table.column`, which also names the blind index beside it.

    `indexed` makes the indexed text of the plain one and of the columns `beside` it.
    """

    table: str
    column: str
    id_column: str = "id"
    index_column: str | None = None
    indexed: Callable[[str, Mapping[str, Any]], str] = _as_it_is
    beside: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        return f"{self.table}.{self.column}"


class Passing(msgspec.Struct, frozen=True, kw_only=True):
    """A blind index whose plain text nobody keeps: it is left to expire. `alive`: which rows still count."""

    place: str
    index_column: str
    alive: str
    why: str

    @property
    def table(self) -> str:
        return self.place.partition(".")[0]


SEALED = (
    Sealed(table="person", column="id_number", index_column="id_number_index"),
    Sealed(table="person", column="phone", index_column="phone_index"),
    Sealed(table="person", column="address"),
    Sealed(
        table="account_login",
        column="subject",
        index_column="subject_index",
        indexed=_with_platform,
        beside=("platform",),
    ),
    Sealed(table="totp_seed", column="seed", id_column="staff_id"),
    Sealed(table="totp_seed", column="pending_seed", id_column="staff_id"),
    Sealed(table="invitation", column="code", index_column="code_index"),
    Sealed(table="attempt", column="payer"),
    Sealed(table="pay_notice", column="content"),
    Sealed(table="wristband", column="qr_text"),
    Sealed(table="data_request", column="text"),
    Sealed(table="data_request", column="wanted"),
    Sealed(table="data_request", column="answer"),
)

PASSING = (
    Passing(
        place="device_enrolment.code",
        index_column="code_index",
        alive="expires_at > now()",
        why="a code is told once and lives ten minutes; its search knows all index keys",
    ),
    Passing(
        place="idempotency.body",
        index_column="body_index",
        alive="created_at > now() - interval '1 day'",
        why="the body is not kept; nobody repeats a command a day later",
    ),
)

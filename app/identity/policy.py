"""Who may do what, as data: role, resource, action -> whose rows, and which fields. No row: refused."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec

from app.identity.roles import Role
from app.kernel.actor import Actor, ActorKind, Reach

PUBLIC = "public"  # the permission of routes that need no login; each has its own lock or nothing to hide


class Rows(StrEnum):
    """Whose rows a permission opens. The database applies the same word, below the code."""

    OWN = "own"  # persons whom a binding lets this account act for
    CARE = "care"  # persons whom a care relation gives this staff member, their ward or department
    PLACE = "place"  # persons for whom this device was opened, or whom its ward cares for
    ALL = "all"
    NONE = "none"  # nobody's: the permission is not about a patient


REACH_OF = {
    Rows.OWN: Reach.RELATED,
    Rows.CARE: Reach.RELATED,
    Rows.PLACE: Reach.RELATED,
    Rows.ALL: Reach.EVERYBODY,
    Rows.NONE: Reach.NOBODY,
}


class Veil(msgspec.Struct, frozen=True):
    """Paths of a reply's fields, such as "person.name"; lists on the way are passed through."""

    hidden: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the policy. Its veil is drawn over the replies.

    `step_up` asks for a proof of identity not older than two minutes; `scope` is what a partner's token
    must carry.
    """

    role: Role
    resource: str
    action: str
    rows: Rows
    veil: Veil = Veil()
    step_up: bool = False
    scope: str = ""

    @property
    def permission(self) -> str:
        return f"{self.resource}.{self.action}"


def permit(
    permission: str,
    roles: dict[Role, Rows],
    *,
    hidden: tuple[str, ...] = (),
    masked: tuple[str, ...] = (),
    step_up: bool = False,
    scope: str = "",
) -> list[Row]:
    """The rows of one permission: `thing.verb`, and for each role that has it whose rows it opens."""
    resource, _, action = permission.rpartition(".")
    return [
        Row(
            role=role,
            resource=resource,
            action=action,
            rows=rows,
            veil=Veil(hidden, masked),
            step_up=step_up,
            scope=scope,
        )
        for role, rows in roles.items()
    ]


class Policy:
    """The rows, found by role and permission. Two rows for one pair would be two truths: refused.

    What opens anybody's rows leaves its trace, reads and writes alike; `not_logged` names the exceptions
    and why.
    """

    def __init__(self, rows: Iterable[Row], *, not_logged: Mapping[str, str] = MappingProxyType({})) -> None:
        self.rows: dict[tuple[str, str], Row] = {}
        for row in rows:
            key = (row.role, row.permission)
            assert key not in self.rows, f"two rows for {key}"
            self.rows[key] = row
        self.not_logged = not_logged
        about_patients = {row.permission for row in self.rows.values() if row.rows is not Rows.NONE}
        assert not_logged.keys() <= about_patients, "an exception from nothing"
        self.logged = about_patients - not_logged.keys()
        self.permissions = {PUBLIC, *(row.permission for row in self.rows.values())}

    def is_logged(self, permission: str) -> bool:
        """Whether every use of it leaves its entry in the access log: it is about patients."""
        return permission in self.logged

    def find(self, actor: Actor, permission: str) -> Row | None:
        """The row that lets this actor do it, or None: refused."""
        return self.rows.get((role_of(actor), permission))


def role_of(actor: Actor) -> str:
    """The actor's role in the policy: what staff and devices log in as, else what kind of actor it is."""
    match actor.kind:
        case ActorKind.STAFF | ActorKind.DEVICE:
            return actor.role
        case ActorKind.ACCOUNT:
            return Role.ACCOUNT
        case ActorKind.CLIENT:
            return Role.PARTNER
        case ActorKind.SYSTEM | ActorKind.ANONYMOUS:
            return ""

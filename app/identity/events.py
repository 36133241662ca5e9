"""What the administration of staff logins tells. Who did it stands in every event anyway."""

from uuid import UUID

import msgspec

from app.identity.roles import FactorKind, StaffRole
from app.kernel.events import Lane, fact


class LoginFact(msgspec.Struct, frozen=True, kw_only=True):
    staff_id: UUID


@fact(kind="staff_login.created", aggregate="staff_login", key="staff_id", lane=Lane.BULK)
class LoginCreated(LoginFact, frozen=True, kw_only=True):
    role: StaffRole


@fact(kind="staff_login.role_given", aggregate="staff_login", key="staff_id", lane=Lane.BULK)
class RoleGiven(LoginFact, frozen=True, kw_only=True):
    role: StaffRole
    former_role: StaffRole
    request_id: UUID | None = None  # where a second person had to approve


@fact(kind="staff_login.disabled", aggregate="staff_login", key="staff_id", lane=Lane.BULK)
class LoginDisabled(LoginFact, frozen=True, kw_only=True):
    pass


@fact(kind="staff_login.unlocked", aggregate="staff_login", key="staff_id", lane=Lane.BULK)
class LoginUnlocked(LoginFact, frozen=True, kw_only=True):
    pass


@fact(kind="staff_login.password_reset", aggregate="staff_login", key="staff_id", lane=Lane.BULK)
class PasswordReset(LoginFact, frozen=True, kw_only=True):
    request_id: UUID | None = None


@fact(kind="staff_login.password_changed", aggregate="staff_login", key="staff_id", lane=Lane.BULK)
class PasswordChanged(LoginFact, frozen=True, kw_only=True):
    pass


@fact(kind="staff_login.second_factor_enrolled", aggregate="staff_login", key="staff_id", lane=Lane.BULK)
class SecondFactorEnrolled(LoginFact, frozen=True, kw_only=True):
    factor: FactorKind


@fact(kind="staff_login.second_factor_reset", aggregate="staff_login", key="staff_id", lane=Lane.BULK)
class SecondFactorReset(LoginFact, frozen=True, kw_only=True):
    request_id: UUID | None = None


@fact(kind="staff_login.change_requested", aggregate="staff_login", key="staff_id", lane=Lane.BULK)
class LoginChangeRequested(LoginFact, frozen=True, kw_only=True):
    request_id: UUID
    change: str
    role: StaffRole | None = None


@fact(kind="staff_login.change_declined", aggregate="staff_login", key="staff_id", lane=Lane.BULK)
class LoginChangeDeclined(LoginFact, frozen=True, kw_only=True):
    request_id: UUID

"""A login that must do something first: complete itself, or prove once more who it is (RFC 9470)."""

from types import MappingProxyType
from typing import Any

from app.kernel import clock
from app.kernel.errors import Forbidden, Unauthenticated

STEP_UP_SECONDS = 120
ENROL_SCOPE = "enrol"
ENROL_PERMISSIONS = frozenset({"second_factor.enrol", "password.change"})


class LoginIncomplete(Forbidden):
    code = "login_incomplete"
    message = "请先绑定动态口令并修改初始密码，然后重新登录。"


class StepUpRequired(Unauthenticated):
    code = "step_up_required"
    message = "此操作需要重新确认身份，请再次验证后继续。"
    headers = MappingProxyType(
        {"WWW-Authenticate": f'Bearer error="insufficient_user_authentication", max_age={STEP_UP_SECONDS}'}
    )


def require_complete(scope: str, *, permission: Any) -> None:
    """An incomplete login's token opens the few routes that complete it, and nothing else."""
    if scope == ENROL_SCOPE and permission not in ENROL_PERMISSIONS:
        raise LoginIncomplete


def require_recent(auth_time: int) -> None:
    """Refuse unless the bearer proved who they are at most STEP_UP_SECONDS ago (`auth_time`: since 1970)."""
    if clock.wall().timestamp() - auth_time > STEP_UP_SECONDS:
        raise StepUpRequired

"""A login that is not complete yet: its token opens the few routes that complete it, and nothing else."""

from typing import Any

from app.kernel.errors import Forbidden

ENROL_SCOPE = "enrol"
ENROL_PERMISSIONS = frozenset({"second_factor.enrol", "password.change"})


class LoginIncomplete(Forbidden):
    code = "login_incomplete"
    message = "请先绑定动态口令并修改初始密码，然后重新登录。"


def require_complete(scope: str, *, permission: Any) -> None:
    """`permission` is what the route asked for says it serves."""
    if scope == ENROL_SCOPE and permission not in ENROL_PERMISSIONS:
        raise LoginIncomplete

"""`jiuyi security-admin`: the first two security administrators, whom nobody else could make."""

from uuid import UUID

from app.identity.passwords import hash_password, set_staff_login
from app.identity.roles import StaffRole
from app.identity.staff_admin import ONE_TIME_HOURS, new_one_time_password, put_one_time_password
from app.kernel.actor import Actor, system
from app.kernel.database import action, close_pool, fetch_value, open_pool
from app.kernel.errors import DomainError
from app.kernel.ids import new_id

FIRST_ADMINS = 2  # what one asks for, the other approves
FIRST_ADMINS_LOCK = 7_119_003


class SecurityAdminsKnown(DomainError):
    code = "security_admins_known"
    message = "已有两位安全管理员，更多管理员请由他们在系统中申请和批准。"


class StaffKnown(DomainError):
    code = "staff_known"
    message = "该用户名或工号已被使用，请换一个用户名。"


async def make(login_name: str, name: str) -> str:
    """The command: the sentence to show, with the one-time password."""
    password = new_one_time_password()
    await open_pool(size=1)
    try:
        await add_security_admin(
            system("security-admin"),
            login_name=login_name,
            name=name,
            password_hash=await hash_password(password),
        )
    finally:
        await close_pool()
    return f"安全管理员 {login_name} 已建立，一次性密码 {password}，{ONE_TIME_HOURS} 小时内登录并修改"


@action
async def add_security_admin(actor: Actor, *, login_name: str, name: str, password_hash: str) -> UUID:
    """Refused once there are two: from then on it takes both of them."""
    await fetch_value("SELECT pg_advisory_xact_lock($1)", FIRST_ADMINS_LOCK)
    known = await fetch_value(
        "SELECT count(*) FROM staff_login WHERE role = $1 AND disabled_at IS NULL",
        str(StaffRole.SECURITY_ADMIN),
    )
    if known >= FIRST_ADMINS:
        raise SecurityAdminsKnown
    if await fetch_value("SELECT 1 FROM staff_login WHERE login_name = $1", login_name) is not None:
        raise StaffKnown
    staff_id = await fetch_value(
        "INSERT INTO staff (id, staff_no, name, role, title, active) VALUES ($1, $2, $3, $4, '', true)"
        " ON CONFLICT (staff_no) DO NOTHING RETURNING id",
        new_id(),
        login_name.upper()[:20],
        name,
        str(StaffRole.SECURITY_ADMIN),
    )
    if staff_id is None:
        raise StaffKnown
    await set_staff_login(
        actor,
        staff_id=staff_id,
        login_name=login_name,
        password_hash=password_hash,
        role=StaffRole.SECURITY_ADMIN,
    )
    return await put_one_time_password(actor, staff_id=staff_id, password_hash=password_hash)

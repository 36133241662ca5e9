"""The database's roles, which are the whole server's: who asks, who works, who answers past the walls."""

import contextlib
from urllib.parse import unquote, urlsplit

import asyncpg

from app.kernel.database import APP_ROLE, WORKER_ROLE
from app.launch.logins import login_password

DEFINER_ROLE = "jiuyi_definer"  # owns the functions that look past the walls; nobody logs in as it
BACKUP_ROLE = "jiuyi_backup"  # passes the walls, to copy everything


class CannotMigrate(Exception):
    """Nothing was changed; the text tells the administrator what to do."""


class RoleMissing(CannotMigrate):
    """The owner may neither make the roles nor enter them."""


# What an owner without CREATEROLE asks an administrator for. NOINHERIT: the web process may become the
# worker for our own work, but has none of its rights before it says so.
MADE_BY_ADMINISTRATOR = (
    f"CREATE ROLE {APP_ROLE} NOLOGIN NOINHERIT; CREATE ROLE {WORKER_ROLE} NOLOGIN;"
    f" CREATE ROLE {DEFINER_ROLE} NOLOGIN; CREATE ROLE {BACKUP_ROLE} NOLOGIN BYPASSRLS;"
    f" GRANT {WORKER_ROLE} TO {APP_ROLE};"
    f" GRANT {APP_ROLE}, {WORKER_ROLE}, {DEFINER_ROLE} TO 该账号;"
)

# "May SET ROLE" has a word of its own since PostgreSQL 16, where who makes a role only administers it.
MAY_ENTER = """
SELECT to_regrole($1) IS NOT NULL AND to_regrole($2) IS NOT NULL
    AND pg_has_role(to_regrole($1), to_regrole($2),
    CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
"""


async def ensure_roles(connection: asyncpg.Connection) -> None:
    """The roles of requests, of background work and of the functions, entered by SET LOCAL ROLE.

    An owner without CREATEROLE may migrate where an administrator has prepared them.
    """
    owner = str(await connection.fetchval("SELECT quote_ident(current_user)"))
    newer = connection.get_server_version() >= (16,)
    # Past the walls goes only who says so; before 16 an owner inherits it, and could pull them down anyway.
    past = f"{DEFINER_ROLE} TO {owner}" + (" WITH INHERIT FALSE, SET TRUE" if newer else "")
    try:
        await _ensure(connection, APP_ROLE, owner, options="NOINHERIT")
        await _ensure(connection, WORKER_ROLE, owner)
        await _ensure(connection, DEFINER_ROLE, owner, grant=past)
        if not await connection.fetchval(MAY_ENTER, APP_ROLE, WORKER_ROLE):
            await connection.execute(f"ALTER ROLE {APP_ROLE} NOINHERIT; GRANT {WORKER_ROLE} TO {APP_ROLE}")
        await _ensure_backup(connection)
    except asyncpg.InsufficientPrivilegeError as error:
        raise RoleMissing(
            "数据库账号无权建立或使用所需的角色，请管理员执行（已存在的略过）："
            f"{MADE_BY_ADMINISTRATOR} 然后重试。数据没有改动。"
        ) from error


async def _ensure(
    connection: asyncpg.Connection, role: str, owner: str, *, options: str = "", grant: str = ""
) -> None:
    """The role exists and the owner may enter it. Many may migrate one server at once."""
    if await connection.fetchval(MAY_ENTER, owner, role):
        return
    await connection.execute(
        f"DO $$ BEGIN IF to_regrole('{role}') IS NULL THEN CREATE ROLE {role} NOLOGIN {options}; END IF;"
        f" EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;"
        f" GRANT {grant or f'{role} TO {owner}'}"
    )


async def _ensure_backup(connection: asyncpg.Connection) -> None:
    """Only who passes the walls may let others pass: elsewhere an administrator makes this one, or nobody."""
    if await connection.fetchval("SELECT to_regrole($1) IS NOT NULL", BACKUP_ROLE):
        return
    with contextlib.suppress(asyncpg.InsufficientPrivilegeError, asyncpg.DuplicateObjectError):
        async with connection.transaction():
            await connection.execute(f"CREATE ROLE {BACKUP_ROLE} NOLOGIN BYPASSRLS")


async def let_log_in(connection: asyncpg.Connection, owner_url: str) -> None:
    """Requests and background work may log in by themselves, with passwords derived from the owner's.

    A role that logs in already has its password from somewhere and keeps it. Where the owner may not say so,
    the processes log in as the owner and enter their role.
    """
    owners = unquote(urlsplit(owner_url).password or "")
    for role in (APP_ROLE, WORKER_ROLE):
        known = await connection.fetchval("SELECT rolcanlogin FROM pg_roles WHERE rolname = $1", role)
        if known or not owners:
            continue
        password = login_password(owners, role)
        with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.execute(f"ALTER ROLE {role} LOGIN PASSWORD '{password}'")

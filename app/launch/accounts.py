"""Who runs the servers: PostgreSQL refuses to be root, and nothing embedded should be."""

import os
import pwd
from pathlib import Path

from app.launch.processes import Account
from app.launch.refusals import CannotStart


def account_for(directory: Path) -> Account | None:
    """None: as ourselves. As root: the owner of existing data, else `postgres`, else `nobody`.

    The owner comes first because "postgres if it exists" changes its answer on the day somebody
    installs Debian's PostgreSQL.
    """
    if os.geteuid() != 0:
        refuse_foreign(directory)
        return None
    if directory.exists() and directory.stat().st_uid != 0:
        return known(directory.stat().st_uid, directory)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise CannotStart("系统里没有 postgres 或 nobody 用户,内置 PostgreSQL 不能以 root 运行。")


def refuse_foreign(directory: Path) -> None:
    if directory.exists() and directory.stat().st_uid != os.geteuid():
        raise CannotStart(
            f"数据目录 {directory} 属于另一个用户(uid {directory.stat().st_uid})。"
            "请用该用户或 root 运行,或用 JIUYI_DATA 指定另一个目录。"
        )


def known(uid: int, directory: Path) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise CannotStart(
            f"数据目录 {directory} 的属主 uid {uid} 在本机没有用户名,PostgreSQL 不能以它运行。"
            "请用 chown 把该目录交给一个本机用户。"
        ) from None
    return Account(uid, entry.pw_gid)


def make_own(directory: Path, account: Account | None) -> None:
    """A private directory (0700) that belongs to the server's user."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    if account is not None:
        os.chown(directory, account.uid, account.gid)

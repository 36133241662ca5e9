"""The first two security administrators come from the command line; a third needs both of them."""

import asyncio
from uuid import UUID

import pytest

from app.identity.staff_admin import disable_login
from app.imports import security_admin
from app.imports.security_admin import SecurityAdminsKnown, StaffKnown, add_security_admin
from app.kernel import database
from app.kernel.actor import system
from tests.make.identity import staff_actor
from tests.make.rows import value

SYSTEM = system("test")


async def add(name: str) -> UUID:
    return await add_security_admin(SYSTEM, login_name=name, name="张三", password_hash="a hash")


async def test_two_are_made_with_one_time_passwords_and_no_third(db: str) -> None:
    await add("safe1")
    with pytest.raises(StaffKnown):
        await add("safe1")
    await add("safe2")
    with pytest.raises(SecurityAdminsKnown):
        await add("safe3")
    one_time = "SELECT count(*) FROM staff_login WHERE role = 'security_admin' AND one_time_until > now()"
    assert await value(one_time) == 2


async def test_a_disabled_one_is_replaced_under_another_number(db: str) -> None:
    first, second = await add("safe1"), await add("safe2")
    assert first != second
    await disable_login(staff_actor(second), staff_id=first)
    await value("UPDATE staff_login SET login_name = 'gone' WHERE staff_id = $1", first)
    with pytest.raises(StaffKnown):
        await add("safe1")
    await add("safe3")


@pytest.mark.commits
async def test_at_the_same_moment_still_two_are_made(db: str) -> None:
    answers = await asyncio.gather(*(add(f"racer{n}") for n in range(5)), return_exceptions=True)
    assert sum(isinstance(answer, SecurityAdminsKnown) for answer in answers) == 3, answers
    assert await value("SELECT count(*) FROM staff_login") == 2
    await value("DELETE FROM staff_login")


@pytest.mark.commits
async def test_the_command_tells_the_password_once(db: str) -> None:
    await database.close_pool()
    told = await security_admin.make("safe9", "李四")
    assert "safe9" in told
    assert "一次性密码" in told
    await database.open_pool()
    stored = await value("SELECT password_hash FROM staff_login WHERE login_name = 'safe9'")
    assert stored.startswith("$argon2id$")

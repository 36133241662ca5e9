"""Logins of the processes' own: whoever serves requests never holds the owner's password.

The passwords are derived from the owner's, so that nothing is stored and every command finds the same ones;
the owner's cannot be derived from them.
"""

import asyncio
import hashlib
import hmac
from urllib.parse import quote, unquote, urlsplit

import asyncpg

CONNECT_SECONDS = 5
REFUSED = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidPasswordError)


def login_url(owner_url: str, role: str) -> str | None:
    """The same database for another login. None where the owner has no password to derive one from."""
    parts = urlsplit(owner_url)
    if not parts.password or not parts.hostname:
        return None
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(
        netloc=f"{quote(role)}:{login_password(unquote(parts.password), role)}@{place}"
    ).geturl()


def login_password(owner_password: str, role: str) -> str:
    return hmac.new(owner_password.encode(), f"jiuyi login {role}".encode(), hashlib.sha256).hexdigest()


def own_login(owner_url: str, role: str) -> str | None:
    """The login's URL if it opens the database; else None, and the process enters its role as the owner."""
    url = login_url(owner_url, role)
    if url is None or not asyncio.run(opens(url)):
        return None
    return url


async def opens(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    except (*REFUSED, TimeoutError, OSError):
        return False
    await connection.close()
    return True

"""Where ids come from: UUIDv7, made by us, so that rows sort by birth on every PostgreSQL we support."""

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A new time-ordered id (RFC 9562, version 7)."""
    return uuid_utils.compat.uuid7()

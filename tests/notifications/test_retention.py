"""What is forgotten, and what a client that was away for longer is shown."""

import pytest

from app.kernel.ids import new_id
from notifications import retention
from notifications.retention import forget_old
from tests.make.rows import value
from tests.notifications.conftest import tell


async def test_old_tickets_events_and_cursors_are_forgotten_and_the_head_stays(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "FORGOTTEN_AT_ONCE_MAX", 2)
    stream = f"test:{new_id()}"
    await tell(stream, 5)
    await value("UPDATE rt_event SET at = at - interval '8 days' WHERE stream = $1 AND seq < 5", stream)
    for age in ("59 minutes", "61 minutes"):
        await value(
            "INSERT INTO rt_ticket (nonce, used_at) VALUES ($1, now() - $2::text::interval)", new_id(), age
        )
    for client, age in (("here", "1 day"), ("gone", "31 days")):
        await value(
            "INSERT INTO rt_cursor (id, client_id, stream, acked_seq, at)"
            " VALUES ($1, $2, $3, 1, now() - $4::text::interval)",
            new_id(),
            client,
            stream,
            age,
        )
    assert await forget_old() == 6
    assert await value("SELECT array_agg(seq) FROM rt_event WHERE stream = $1", stream) == [5]
    assert await value("SELECT array_agg(client_id) FROM rt_cursor WHERE stream = $1", stream) == ["here"]
    assert await value("SELECT count(*) FROM rt_ticket") == 1
    assert await value("SELECT seq FROM rt_stream WHERE stream = $1", stream) == 5
    assert await forget_old() == 0

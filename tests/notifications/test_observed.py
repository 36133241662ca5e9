"""What an operator sees of sockets: by kind, how far behind, why closed; and whose a line is."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY
from structlog.testing import LogCapture

from app import logs
from notifications.place import Place
from notifications.streams import account_inbox
from tests.make import identity
from tests.notifications.conftest import Hospital, tell

pytestmark = pytest.mark.commits


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    kept = structlog.get_config()
    capture = LogCapture()
    structlog.configure(processors=[*logs.BEFORE, capture], cache_logger_on_first_use=False)
    yield capture.entries
    structlog.configure(**kept)


def figure(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


async def soon(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within five seconds")


async def test_sockets_are_counted_by_kind_and_their_end_by_code(hospital: Hospital) -> None:
    before, frames = figure("jiuyi_rt_sockets", kind="account"), figure("jiuyi_rt_frames_total")
    refused = figure("jiuyi_rt_closed_total", code="4001")
    client, stream, _ = await hospital.phone()
    assert figure("jiuyi_rt_sockets", kind="account") == before + 1
    assert figure("jiuyi_rt_frames_total") >= frames + 2  # the welcome and a snapshot
    assert figure("jiuyi_rt_look_age_seconds") < 4
    await tell(stream, 3)
    await client.has("ev", 3)
    await soon(lambda: figure("jiuyi_rt_unacknowledged") == figure("jiuyi_rt_behind") == 0)
    stranger = hospital.client(stream)
    await stranger.connect("no-ticket")
    await stranger.closed()
    assert figure("jiuyi_rt_closed_total", code="4001") == refused + 1
    await client.leave()
    await soon(lambda: figure("jiuyi_rt_sockets", kind="account") == before)


async def test_the_lines_of_two_sockets_are_told_apart(
    hospital: Hospital, lines: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(place: Place, send: Any) -> None:
        structlog.get_logger().info("pumping")
        raise ConnectionError

    monkeypatch.setattr(Place, "pump", fail)
    for _ in range(2):
        account_id = await identity.account()
        token = await identity.account_token(account_id)
        await (await hospital.connected(token, account_inbox(account_id))).has("welcome")
    await soon(lambda: len({line.get("conn") for line in pumping(lines)}) == 2)
    by_conn = {line["conn"]: line["request_id"] for line in pumping(lines)}
    assert len(set(by_conn.values())) == 2
    for line in pumping(lines):
        assert (line["method"], line["route"], line["actor"]) == ("WS", "/rt", "account")
        assert line["request_id"] == by_conn[line["conn"]]
    structlog.get_logger().info("afterwards")
    assert not {"conn", "request_id", "route"} & lines[-1].keys()


def pumping(lines: list[Any]) -> list[Any]:
    return [line for line in lines if line["event"] == "pumping"]

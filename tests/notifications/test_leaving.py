"""A server that stops sends its sockets away in good order: a real process, a real SIGTERM."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import websockets

from app.identity.tokens import issuer
from notifications.streams import account_inbox
from tests.launch.conftest import free_port
from tests.make import identity
from tests.notifications.client import Client

pytestmark = pytest.mark.commits

ROOT = Path(__file__).resolve().parents[2]
SERVE = (
    "from app.kernel.settings import settings; from app.launch.serving import serve;"
    " serve(settings(), workers={workers})"
)


@pytest.fixture(params=[1, 2], ids=["one process", "two workers"])
async def server(
    request: pytest.FixtureRequest, db: str
) -> AsyncIterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
        [sys.executable, "-c", SERVE.format(workers=request.param)],
        # Tokens are made in this process, so the server must go by this one's name.
        env=os.environ
        | {
            "JIUYI_PORT": str(port),
            "DATABASE_URL": db,
            "PYTHONPATH": str(ROOT),
            "JIUYI_PUBLIC_URL": issuer(),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    async with httpx.AsyncClient() as asking:
        until = time.monotonic() + 30
        while not await answers(asking, port):
            assert time.monotonic() < until
            assert process.poll() is None
            await asyncio.sleep(0.1)
    yield process, port
    if process.poll() is None:
        process.kill()
    process.wait()


async def answers(asking: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await asking.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
    except httpx.HTTPError:
        return False


async def test_a_stopping_server_says_bye_and_closes_4012(
    server: tuple[subprocess.Popen[bytes], int],
) -> None:
    process, port = server
    clients = [await a_phone(port) for _ in range(4)]
    silent = await websockets.connect(f"ws://127.0.0.1:{port}/rt")  # has not greeted yet
    unread = await a_phone(port)
    assert unread.socket is not None
    unread.socket.transport.pause_reading()
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    for client in clients:
        assert await client.closed() == 4012
        assert [f["t"] for f in client.frames] == ["welcome", "snap", "bye"]
    waits = {client.frames[-1]["retry_after_ms"] for client in clients}
    assert len(waits) > 1
    assert all(0 <= wait < 30_000 for wait in waits)
    await asyncio.wait_for(silent.wait_closed(), 5)
    assert silent.close_code == 1012
    await asyncio.to_thread(process.wait, 10)
    assert time.monotonic() - began < 5
    for client in [*clients, unread]:
        await client.cut()


async def a_phone(port: int) -> Client:
    account_id = await identity.account()
    headers = {"Authorization": f"Bearer {await identity.account_token(account_id)}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as asking:
        ticket = (await asking.post("/rt/tickets", headers=headers)).json()["ticket"]
    client = Client(f"ws://127.0.0.1:{port}/rt", account_inbox(account_id))
    await client.connect(ticket)
    await client.has("snap")
    return client

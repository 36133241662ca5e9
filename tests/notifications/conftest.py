"""The real app behind real sockets, in the test's own loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn

from app.edge import limits
from app.identity.signed_in import forget_sessions
from app.kernel.actor import system
from app.launch.serving import Socket
from notifications.hub import HUB
from notifications.limits import LIMITS, Limits
from notifications.push import push
from notifications.streams import account_inbox
from tests.make import identity
from tests.notifications.client import Client

TEST = system("test")


class Hospital:
    """A served hospital, and ways to reach it."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.url = f"ws://127.0.0.1:{port}/rt"
        self.port = port
        self.http = httpx.AsyncClient(base_url=self.base, timeout=10)
        self.clients: list[Client] = []

    async def ticket(self, token: str) -> str:
        reply = await self.http.post("/rt/tickets", headers={"Authorization": f"Bearer {token}"})
        assert reply.status_code == 201, reply.text
        assert reply.json()["expires_in"] == 30
        return reply.json()["ticket"]

    def client(self, *streams: str, **how: object) -> Client:
        client = Client(self.url, *streams, **how)  # type: ignore[arg-type] - handed on as they are
        self.clients.append(client)
        return client

    async def connected(self, token: str, *streams: str, **how: object) -> Client:
        client = self.client(*streams, **how)
        await client.connect(await self.ticket(token))
        return client

    async def phone(self, **how: object) -> tuple[Client, str, str]:
        """A connected phone with a fresh account: the client, its stream and its token."""
        account_id = await identity.account()
        token = await identity.account_token(account_id)
        stream = account_inbox(account_id)
        client = await self.connected(token, stream, **how)
        await client.has("snap")
        return client, stream, token

    async def close(self) -> None:
        for client in self.clients:
            await client.cut()
        await self.http.aclose()


@contextlib.asynccontextmanager
async def served(figures: Limits = LIMITS) -> AsyncIterator[Hospital]:
    from app.main import app

    forget_sessions()
    HUB.limits = figures
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, ws=Socket, http="httptools", log_level="critical", access_log=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign] - signals stay pytest's
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110 - uvicorn tells it by this flag only
        await asyncio.sleep(0.01)
    hospital = Hospital(listening.getsockname()[1])
    try:
        yield hospital
    finally:
        # What a failed test leaves behind must not run on into the next ones.
        try:
            await hospital.close()
        finally:
            server.should_exit = True
            await serving
            Socket.goodbye = None
            HUB.limits = LIMITS


@pytest.fixture(autouse=True)
def hurried_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines break here more often in a second than anywhere in an hour."""
    monkeypatch.setattr(limits, "LIMITS", limits.scaled(1000))


@pytest.fixture
async def hospital(database_url: str) -> AsyncIterator[Hospital]:
    async with served() as found:
        yield found


async def tell(stream: str, count: int = 1, *, first: int = 1) -> None:
    """Push events n = first, first + 1 ... one transaction each."""
    for n in range(first, first + count):
        await push(TEST, stream=stream, type="test.told", data={"n": n})

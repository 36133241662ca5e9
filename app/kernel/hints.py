"""Hints over Redis: "look now". Losing one costs latency, never a message; publishing never waits."""

import asyncio
import contextlib
import contextvars
import time
from collections.abc import AsyncIterator

import redis.asyncio as redis
from redis.exceptions import RedisError

from app.kernel.settings import settings

CHANNEL = "jiuyi:hints"
PUBLISH_SECONDS_MAX = 0.05
PAUSE_AFTER_FAILURE_S = 2.0
QUEUE_MAX = 1000
RECONNECT_SECONDS = 1.0
SILENCE_SECONDS_MAX = 5.0

REDIS_AWAY = (RedisError, ConnectionError, OSError, TimeoutError)


class _Publisher:
    """One connection and a bounded set of topics: a hint that is waiting already is enough."""

    def __init__(self) -> None:
        self.waiting: dict[str, None] = {}
        self.task: asyncio.Task[None] | None = None
        self.client: redis.Redis | None = None
        self.paused_until = 0.0

    def wake(self, topic: str) -> None:
        if not settings().redis_url or time.monotonic() < self.paused_until:
            return
        if len(self.waiting) < QUEUE_MAX:
            self.waiting[topic] = None
        if self.task is None or self.task.done():
            # An empty context: the publisher must not inherit the transaction it was woken from.
            self.task = asyncio.get_running_loop().create_task(
                self._publish(), name="hints", context=contextvars.Context()
            )

    async def _publish(self) -> None:
        self.client = self.client or redis.Redis.from_url(
            settings().redis_url, socket_timeout=1.0, socket_connect_timeout=1.0
        )
        while self.waiting:
            topic = next(iter(self.waiting))
            del self.waiting[topic]
            try:
                await asyncio.wait_for(self.client.publish(CHANNEL, topic), PUBLISH_SECONDS_MAX)
            except REDIS_AWAY:
                self.waiting.clear()
                self.paused_until = time.monotonic() + PAUSE_AFTER_FAILURE_S

    async def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
        if self.client is not None:
            with contextlib.suppress(*REDIS_AWAY):
                await self.client.aclose()
            self.client = None


_publisher = _Publisher()


def wake(topic: str) -> None:
    """Tell whoever listens that `topic` has news. Fire and forget."""
    _publisher.wake(topic)


async def close_hints() -> None:
    await _publisher.close()


async def heard() -> AsyncIterator[str]:
    """Topics as they are told. Ends with one of REDIS_AWAY when Redis goes; call again to go on."""
    client = redis.Redis.from_url(settings().redis_url, socket_connect_timeout=1.0)
    try:
        async with client.pubsub() as listener:
            await listener.subscribe(CHANNEL)
            while True:
                message = await asyncio.wait_for(
                    listener.get_message(ignore_subscribe_messages=True, timeout=1.0),
                    SILENCE_SECONDS_MAX,
                )
                if message is not None:
                    yield message["data"].decode()
    finally:
        with contextlib.suppress(*REDIS_AWAY):
            await client.aclose()


class Wakeups:
    """Turns hints into asyncio events by topic, and survives Redis dying and returning."""

    def __init__(self) -> None:
        self.events: dict[str, asyncio.Event] = {}

    def of(self, topic: str) -> asyncio.Event:
        return self.events.setdefault(topic, asyncio.Event())

    async def wait(self, topic: str, *, poll_s: float) -> None:
        """Return at the next hint for `topic`, or after `poll_s` at the latest."""
        event = self.of(topic)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), poll_s)
        event.clear()

    async def listen(self) -> None:
        """For ever: hear hints, reconnecting once a second while Redis is away."""
        while True:
            if settings().redis_url:
                with contextlib.suppress(*REDIS_AWAY):
                    async for topic in heard():
                        self._tell(topic)
            await asyncio.sleep(RECONNECT_SECONDS)

    def _tell(self, topic: str) -> None:
        """Wake who waits for the topic or for all of its kind (`rt:*`). Other topics leave no trace."""
        for name in (topic, topic.partition(":")[0] + ":*"):
            if name in self.events:
                self.events[name].set()

"""A line to a server that a test can freeze or cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Line:
    """Forwards bytes in both directions, unless told otherwise."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.flows = asyncio.Event()
        self.flows.set()
        self.refuses = False
        self.writers: set[asyncio.StreamWriter] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.close()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.close()
            return
        self.writers |= {writer, far_writer}
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pass_on(source, sink))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                await self.flows.wait()
                sink.write(data)
                await sink.drain()
        sink.close()

    def freeze(self) -> None:
        """Connections stay open and nothing passes: the worst way to be away."""
        self.flows.clear()

    def cut(self) -> None:
        self.refuses = True
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()

    def heal(self) -> None:
        self.refuses = False
        self.flows.set()


@contextlib.asynccontextmanager
async def line_to(host: str, port: int) -> AsyncIterator[Line]:
    line = Line(host, port)
    server = await asyncio.start_server(line.accept, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        line.cut()
        line.heal()
        for task in list(line.tasks):
            task.cancel()
        await asyncio.gather(*line.tasks, return_exceptions=True)

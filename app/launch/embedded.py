"""Both embedded servers, for as long as somebody needs them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.launch.lock import hold
from app.launch.postgres import start_postgres
from app.launch.processes import stop_all
from app.launch.valkey import start_valkey

SERVERS_SECONDS = 1.5  # to shut down gently; then they are made to, and recover at the next start


@contextmanager
def embedded_servers(data: Path, *, durable: bool = True) -> Iterator[tuple[str, str]]:
    """Yields (database_url, redis_url) of servers that live in `data` and end with the block.

    For tests and benchmarks; `durable=False` trades safety at a power cut for speed.
    """
    with hold(data) as lock, ExitStack() as children:
        postgres = start_postgres(data, lock, durable=durable)
        children.callback(stop_all, [postgres.child], patience_seconds=SERVERS_SECONDS)
        valkey = start_valkey(data, lock)
        children.callback(stop_all, [valkey.child], patience_seconds=SERVERS_SECONDS)
        yield postgres.url, valkey.url

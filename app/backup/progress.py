"""How far a long command is, for the person who waits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def counted(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, one line elsewhere. More than `length` stays at the end."""
    with click.progressbar(length=max(1, length), label=label, show_pos=False) as bar:
        yield bar.update
        bar.update(max(0, bar.length - bar.pos) if bar.length else 0)

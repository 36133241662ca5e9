"""How many lines each address and each login holds open."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Lines:
    """Counts by owner; who holds none leaves no trace."""

    def __init__(self) -> None:
        self.open: Counter[str] = Counter()

    def of(self, owner: str) -> int:
        return self.open[owner]

    def add(self, owner: str) -> None:
        self.open[owner] += 1

    def drop(self, owner: str) -> None:
        self.open[owner] -= 1
        if self.open[owner] <= 0:
            del self.open[owner]

    @contextmanager
    def one_of(self, owner: str) -> Iterator[None]:
        self.add(owner)
        try:
            yield
        finally:
            self.drop(owner)

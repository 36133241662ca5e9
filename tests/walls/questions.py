"""Questions that nobody thought of: drawn from the API's own schema, right and wrong, aimed at real rows."""

import json
from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any
from urllib.parse import quote

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core import NotSet
from schemathesis.core.result import Ok

from app.main import app
from tests.make import identity
from tests.make.two_patients import World

AIMED = 0.7  # of the questions whose path names a row are asked about a row that exists
HEADERS_OURS = {"authorization", "idempotency-key", "host", "content-length", "content-type"}
UNHURRIED = [
    HealthCheck.too_slow,
    HealthCheck.filter_too_much,
    HealthCheck.data_too_large,
    HealthCheck.large_base_example,
]
MODES = (GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


def operations() -> Iterator[Any]:
    """Everything that the schema tells of; each has a method and a path."""
    schema = schemathesis.openapi.from_dict(app.openapi_schema.to_schema())
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        yield result.ok()


def draw(operation: Any, *, mode: GenerationMode, count: int, number: int) -> list[Any]:
    """Up to `count` questions; the same ones for the same number."""
    drawn: list[Any] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=UNHURRIED,
    )
    @given(operation.as_strategy(generation_mode=mode))
    def keep(case: Any) -> None:
        drawn.append(case)

    with suppress(Unsatisfiable):  # nothing about this operation can be asked wrongly
        keep()
    return drawn


def to_send(case: Any, *, about: World, token: str | None, random: Random) -> dict[str, Any]:
    """The arguments of httpx: the question with a login, and mostly about rows of this story."""
    path = case.path
    for name, value in (case.path_parameters or {}).items():
        known = about.ids.get(name) if random.random() < AIMED else None
        path = path.replace(f"{{{name}}}", quote(str(known or value), safe=""))
    headers = {name: str(value) for name, value in (case.headers or {}).items() if fit(name, value)}
    headers |= identity.bearer(token or "")
    if token is None:
        del headers["Authorization"]
    sent: dict[str, Any] = {"method": case.method, "url": path, "headers": headers}
    if case.query:
        sent["params"] = {name: value for name, value in case.query.items() if value is not None}
    if not isinstance(case.body, NotSet):
        sent["content"] = case.body if isinstance(case.body, bytes) else json.dumps(case.body, default=str)
        headers["Content-Type"] = case.media_type or "application/json"
    return sent


def fit(name: str, value: object) -> bool:
    """What HTTP itself cannot carry is no question to us."""
    return name.lower() not in HEADERS_OURS and str(value).isascii() and str(value).isprintable()

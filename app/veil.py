"""What a reply leaves out or masks because of who asked: a policy row's fields, applied to what is sent.

The guard of every route puts the row's veil on the request, and `Veiled` is the app's response class: it
is the one place of the framework that holds both the request and a reply that is not bytes yet. A handler
that builds a `Response` by itself passes it by, so a veil over such a handler is an error of configuration
(`out_of_reach`).
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse
from litestar.serialization import default_serializer
from msgspec import inspect

from app.identity.policy import Veil
from app.identity.signed_in import VEIL
from app.kernel.http import AnyRequest
from app.patients.masking import FIELD_KINDS, MaskKind, mask
from app.traces.showing import note_reply

OPEN = Veil()

Steps = dict[str, "Steps | MaskKind | None"]  # a field: what to do below it, how to mask it, or leave it out


class Veiled(Response[Any]):
    """A reply that its request's veil has been drawn over, and whose persons its trace has taken down."""

    def to_asgi_response(self, app: Any, request: AnyRequest, **how: Any) -> ASGIResponse:
        note_reply(self.content)
        veil = request.scope["state"].get(VEIL, OPEN)
        if veil is not OPEN and veil != OPEN:
            self.content = draw(veil, self.content)
        return super().to_asgi_response(app, request, **how)


def draw(veil: Veil, content: Any) -> Any:
    """The reply as plain dicts and lists, without what is hidden and with what is masked masked."""
    drawn = msgspec.to_builtins(content, str_keys=True, enc_hook=default_serializer)
    _draw(_steps(veil), drawn)
    return drawn


def _draw(steps: Steps, part: Any) -> None:
    if isinstance(part, list):
        for each in part:
            _draw(steps, each)
    elif isinstance(part, dict):
        for name, step in steps.items():
            if name not in part:
                continue
            if step is None:
                del part[name]
            elif isinstance(step, MaskKind):
                part[name] = _masked(step, part[name])
            else:
                _draw(step, part[name])


def _masked(kind: MaskKind, value: Any) -> Any:
    """A text, or each of a list; whatever else stands there is not shown at all."""
    if isinstance(value, list):
        return [_masked(kind, each) for each in value]
    return mask(kind, value) if isinstance(value, str) else None


@lru_cache(maxsize=1024)
def _steps(veil: Veil) -> Steps:
    steps: Steps = {}
    for path in veil.masked:
        _add(steps, path, FIELD_KINDS[path.rpartition(".")[2]])
    for path in veil.hidden:  # last: what is both is left out
        _add(steps, path, None)
    return steps


def _add(steps: Steps, path: str, end: MaskKind | None) -> None:
    *way, last = path.split(".")
    for name in way:
        below = steps.setdefault(name, {})
        if not isinstance(below, dict):
            return  # hidden or masked as a whole already
        steps = below
    steps[last] = end


def out_of_reach(handler: HTTPRouteHandler, veil: Veil) -> set[str]:
    """The veil's paths that would do nothing over this handler's replies: errors of configuration."""
    if _builds_its_own(handler):
        return {*veil.hidden, *veil.masked}
    texts = _fields(handler)
    wrong = {path for path in veil.hidden if path not in texts}
    return wrong | {
        path
        for path in veil.masked
        if not texts.get(path, False) or path.rpartition(".")[2] not in FIELD_KINDS
    }


def fields_of(handler: HTTPRouteHandler) -> set[str]:
    """Every path of a field that a reply of this handler may have, as its return annotation says."""
    return set(_fields(handler))


def _builds_its_own(handler: HTTPRouteHandler) -> bool:
    return handler.parsed_fn_signature.return_type.is_subclass_of(Response)


def _fields(handler: HTTPRouteHandler) -> Mapping[str, bool]:
    """Path -> is it a text (or a list of them)?"""
    returned = handler.parsed_fn_signature.return_type
    annotations = [inner.annotation for inner in returned.inner_types] if _builds_its_own(handler) else []
    found: dict[str, bool] = {}
    for annotation in annotations or [returned.annotation]:
        _walk(inspect.type_info(annotation), "", (), found)
    return found


def _walk(known: inspect.Type, path: str, above: tuple[type, ...], found: dict[str, bool]) -> None:
    match known:
        case inspect.StructType(cls=cls, fields=fields) if cls not in above:
            for field in fields:
                name = f"{path}.{field.encode_name}" if path else field.encode_name
                found[name] = found.get(name, False) or _is_text(field.type)
                _walk(field.type, name, (*above, cls), found)
        case inspect.UnionType(types=types) | inspect.TupleType(item_types=types):
            for each in types:
                _walk(each, path, above, found)
        case inspect.CollectionType(item_type=item):
            _walk(item, path, above, found)
        case _:
            return  # a plain value, or a dict whose keys nobody can know before


def _is_text(known: inspect.Type) -> bool:
    match known:
        case inspect.StrType():
            return True
        case inspect.UnionType(types=types):
            return any(_is_text(each) for each in types)
        case inspect.CollectionType(item_type=item):
            return _is_text(item)
        case _:
            return False

"""Hidden and masked fields of a reply: what is drawn over it, where, and what a veil cannot reach."""

import time
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from litestar import Litestar, Response, get
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler

from app.main import app
from app.veil import OPEN, Veil, Veiled, draw, fields_of, out_of_reach

EMPTY_MICROSECONDS_MAX = 3.0


class Contact(msgspec.Struct):
    name: str
    phone: str | None = None
    next: "Contact | None" = None
    words: str = ""


class Record(msgspec.Struct, rename={"number": "id_number"}):
    id: UUID
    name: str
    number: str | None
    born_on: date
    paid: Decimal
    contact: Contact
    others: list[Contact]
    phones: list[str]


class Records(msgspec.Struct):
    items: list[Record]
    next: UUID | None


def record() -> Record:
    return Record(
        id=UUID(int=7),
        name="欧阳娜娜",
        number="11010519491231002X",
        born_on=date(1949, 12, 31),
        paid=Decimal("1.50"),
        contact=Contact("李小明", "13812345678"),
        others=[Contact("王芳", "13912345678", Contact("张三")), Contact("赵四")],
        phones=["13812345678"],
    )


# One handler for each form of reply. What the veil of a request is, its header says.
@get("/one")
async def one() -> Record:
    return record()


@get("/many")
async def many() -> list[Record]:
    return [record(), record()]


@get("/page")
async def page() -> Records:
    return Records(items=[record()], next=None)


@get("/maybe")
async def maybe() -> Record | None:
    return None


@get("/own")
async def own() -> Response[Record]:
    return Response(record())


@get("/loose")
async def loose() -> dict[str, Any]:
    return {"name": "欧阳娜娜"}


VEILS = {
    "open": OPEN,
    "drawn": Veil(hidden=("born_on", "others.next"), masked=("name", "id_number", "contact.phone")),
}


async def put_veil(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    connection.scope["state"]["veil"] = VEILS[connection.headers.get("veil", "open")]


@pytest.fixture
def small() -> Litestar:
    return Litestar([one, many, page, maybe, own, loose], guards=[put_veil], response_class=Veiled)


async def read(small: Litestar, path: str, veil: str) -> Any:
    transport = httpx.ASGITransport(app=small)  # type: ignore[arg-type] - httpx types the protocol more narrowly
    async with httpx.AsyncClient(transport=transport, base_url="http://hospital.test") as asking:
        reply = await asking.get(path, headers={"veil": veil})
    assert reply.status_code == 200, reply.text
    return reply.json()


@pytest.mark.parametrize("path", ["/one", "/many"])
async def test_a_veil_is_drawn_over_the_reply(small: Litestar, path: str) -> None:
    plain, drawn = await read(small, path, "open"), await read(small, path, "drawn")
    plain, drawn = (plain[0], drawn[1]) if path == "/many" else (plain, drawn)
    expected = plain | {"name": "欧阳*娜", "id_number": "110105********002X"}
    del expected["born_on"]
    expected["contact"] = plain["contact"] | {"phone": "138****5678"}
    expected["others"] = [{k: v for k, v in each.items() if k != "next"} for each in plain["others"]]
    assert drawn == expected


async def test_an_empty_reply_stays_empty(small: Litestar) -> None:
    assert await read(small, "/maybe", "drawn") is None


async def test_an_open_veil_changes_no_byte(small: Litestar) -> None:
    assert await read(small, "/one", "open") == msgspec.json.decode(msgspec.json.encode(record()))


def test_paths_pass_through_lists() -> None:
    veil = Veil(hidden=("items.contact",), masked=("items.others.name", "items.others.phone"))
    drawn = draw(veil, Records(items=[record()], next=None))
    assert "contact" not in drawn["items"][0]
    assert [each["name"] for each in drawn["items"][0]["others"]] == ["王*", "赵*"]
    assert [each["phone"] for each in drawn["items"][0]["others"]] == ["139****5678", None]


def test_what_is_hidden_as_a_whole_stays_hidden() -> None:
    veil = Veil(hidden=("contact", "contact.phone"), masked=("contact.name",))
    assert "contact" not in draw(veil, record())
    assert "contact" not in draw(Veil(hidden=("contact.phone", "contact")), record())


def test_what_cannot_be_masked_is_not_shown() -> None:
    assert draw(Veil(masked=("name",)), {"name": 13812345678}) == {"name": None}
    assert draw(Veil(masked=("phone",)), {"phone": ["13812345678", 1]}) == {"phone": ["138****5678", None]}


def test_a_field_that_a_reply_leaves_out_is_not_missed() -> None:
    assert draw(Veil(hidden=("born_on",), masked=("phone", "contact.phone")), {"id": 7}) == {"id": 7}


def test_the_fields_of_a_reply_are_known_before_it_is_made(small: Litestar) -> None:
    contact = {"name", "phone", "next", "words"}
    flat = {"id", "name", "id_number", "born_on", "paid", "contact", "others", "phones"}
    flat |= {f"{where}.{name}" for where in ("contact", "others") for name in contact}
    handlers = handlers_of(small)
    for path in ("/one", "/many", "/maybe", "/own"):
        assert fields_of(handlers[path]) == flat, path
    assert fields_of(handlers["/page"]) == {"items", "next"} | {f"items.{name}" for name in flat}
    assert fields_of(handlers["/loose"]) == set()


def handlers_of(app: Litestar) -> dict[str, HTTPRouteHandler]:
    """Path -> its GET handler."""
    return {
        route.path: handler
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if isinstance(handler, HTTPRouteHandler) and "GET" in handler.http_methods
    }


def test_a_veil_that_would_do_nothing_is_found(small: Litestar) -> None:
    handlers = handlers_of(small)
    veil = VEILS["drawn"]
    assert out_of_reach(handlers["/one"], veil) == set()
    assert out_of_reach(handlers["/page"], veil) == {*veil.hidden, *veil.masked}
    assert out_of_reach(handlers["/one"], Veil(hidden=("nmae",))) == {"nmae"}
    assert out_of_reach(handlers["/one"], Veil(masked=("paid", "id", "contact"))) == {"paid", "id", "contact"}
    assert out_of_reach(handlers["/one"], Veil(masked=("contact.words",))) == {"contact.words"}
    assert out_of_reach(handlers["/loose"], Veil(hidden=("name",))) == {"name"}


async def test_a_reply_that_a_handler_builds_itself_is_out_of_reach_and_said_to_be(small: Litestar) -> None:
    """The reason for the check: the veil is not drawn over such a reply."""
    assert (await read(small, "/own", "drawn"))["name"] == "欧阳娜娜"
    assert out_of_reach(handlers_of(small)["/own"], VEILS["drawn"]) == set(
        VEILS["drawn"].hidden + VEILS["drawn"].masked
    )


def test_every_route_of_the_hospital_writes_its_replies_through_the_veil() -> None:
    found = {path: handler.resolve_response_class() for path, handler in handlers_of(app).items()}
    foreign = {
        path for path in found if not path.startswith("/schema") and not issubclass(found[path], Veiled)
    }
    assert len(found) > 30
    assert foreign == set()


def test_an_open_veil_costs_nothing_to_speak_of() -> None:
    class Request:
        scope = {"state": {"veil": OPEN}, "headers": []}  # noqa: RUF012 - a stand-in

    content = record()

    def median_microseconds(kind: type[Response[Any]]) -> float:
        taken = []
        for _ in range(30):
            begun = time.perf_counter()
            for _ in range(100):
                kind(content, media_type="application/json").to_asgi_response(None, Request())  # type: ignore[arg-type] - all it reads
            taken.append((time.perf_counter() - begun) * 1e6 / 100)
        return sorted(taken)[15]

    median_microseconds(Response)
    assert median_microseconds(Veiled) - median_microseconds(Response) < EMPTY_MICROSECONDS_MAX

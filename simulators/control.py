"""The control API every platform has: its page, people, the book, notifications, faults."""

import re
from typing import Annotated, Any, Protocol

import msgspec
from litestar import Litestar, Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from simulators import book, people
from simulators.clock import Now
from simulators.faults import FaultBoard
from simulators.notices import Courier, Notice
from simulators.people import Payer, PhoneRefusal
from simulators.phone import pages as phone_pages
from simulators.store import Store

LOOPBACK_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?\Z")
PAGE_MAX = 500
NOTICES_SHOWN = 200


class Platform(Protocol):
    """What the common part of the control API needs of a simulated platform."""

    name: str
    now: Now
    store: Store
    faults: FaultBoard
    courier: Courier


class Bank(Platform, Protocol):
    """A platform whose people have wallets there."""

    @property
    def merchant_id(self) -> str: ...

    def payer_ids(self, wanted: str | None) -> tuple[str, str]: ...

    def payer_names(self, payer: Payer) -> dict[str, str]: ...


class NewPayer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str | None = None
    balance_fen: Annotated[int, Meta(ge=0)] = people.OPENING_BALANCE_FEN


class NewFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    endpoint: str = ""
    reference: str = ""
    times: Annotated[int, Meta(ge=1, le=10_000)] = 1
    seconds: Annotated[float, Meta(gt=0, le=3600)] = 12.0


def app(platform: Bank, *handlers: HTTPRouteHandler) -> Litestar:
    """The control API of a platform with wallets: the common parts and its own."""
    return app_without_wallets(platform, *WALLETS, *handlers)


def app_without_wallets(platform: Platform, *handlers: HTTPRouteHandler) -> Litestar:
    """The control API of one platform: what all have, and its own."""
    return Litestar(
        [*COMMON, *phone_pages.handlers(platform.name), *handlers],
        state=State({"platform": platform}),
        before_request=refuse_strangers,
        exception_handlers={PhoneRefusal: refused},
        openapi_config=None,
        logging_config=None,
    )


def refuse_strangers(request: Request[Any, Any, State]) -> Response[dict[str, str]] | None:
    """Only this machine's own page and programs may call, although nothing is signed.

    A browser names the page that asks (Origin) and the address it believes to speak to (Host). A foreign
    Origin is another website's page; a foreign Host is a name that was made to point here afterwards.
    """
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    if not LOOPBACK_HOST.match(host):
        return refused(request, PhoneRefusal(403, "FOREIGN_HOST", "控制台只接受本机地址，请用 127.0.0.1"))
    if origin is not None and origin != f"http://{host}":
        return refused(request, PhoneRefusal(403, "FOREIGN_ORIGIN", "控制台不接受其他网页的请求"))
    return None


def refused(_request: Request[Any, Any, State], refusal: PhoneRefusal) -> Response[dict[str, str]]:
    return Response({"code": refusal.code, "message": refusal.message}, status_code=refusal.status)


def payer_called(platform: Platform, name: str) -> Payer:
    payer = people.find_payer(platform.store, name)
    if payer is None:
        raise PhoneRefusal(404, "NO_SUCH_PAYER", "没有这位付款人，请先 POST /payers")
    return payer


@get("/healthz")
async def healthz(state: State) -> dict[str, str]:
    return {"name": state.platform.name, "business_time": (await state.platform.now()).isoformat()}


@post("/payers")
async def open_payer(state: State, data: JSONBody[NewPayer]) -> Response[dict[str, Any]]:
    platform: Bank = state.platform
    payer_id, second_id = platform.payer_ids(data.id)
    payer, is_new = people.open_wallet(
        platform.store,
        payer_id=payer_id,
        second_id=second_id,
        opening_fen=data.balance_fen,
        at=await platform.now(),
    )
    return Response(_shown(platform, payer), status_code=201 if is_new else 200)


@get("/payers")
async def list_payers(state: State) -> dict[str, Any]:
    """Everybody with a wallet here, newest first."""
    platform: Bank = state.platform
    found = people.newest(platform.store, limit=PAGE_MAX)
    return {"items": [_shown(platform, payer) for payer in found]}


@get("/payers/{payer:str}")
async def show_payer(state: State, payer: FromPath[str]) -> dict[str, Any]:
    return _shown(state.platform, payer_called(state.platform, payer))


@post("/payers/{payer:str}/login-codes")
async def issue_login_code(state: State, payer: FromPath[str]) -> dict[str, Any]:
    platform: Bank = state.platform
    who = payer_called(platform, payer)
    code = people.issue_code(platform.store, who, people.Errand.LOGIN)
    return {"code": code, "expires_in": int(people.CODE_LIFE.total_seconds())}


@get("/book")
async def show_book(state: State) -> dict[str, Any]:
    platform: Bank = state.platform
    return {
        "balanced": book.is_balanced(platform.store),
        "accounts": book.balances(platform.store),
        "merchant": book.totals(platform.store, platform.merchant_id),
    }


@get("/book/entries")
async def show_entries(
    state: State, after: FromQuery[int] = 0, limit: FromQuery[int] = PAGE_MAX
) -> dict[str, Any]:
    items = book.entries(state.platform.store, after=after, limit=min(limit, PAGE_MAX))
    return {"items": items, "next": items[-1].seq if len(items) == min(limit, PAGE_MAX) else None}


@get("/notices")
async def list_notices(state: State, reference: FromQuery[str] = "") -> dict[str, Any]:
    platform: Platform = state.platform
    found = platform.courier.about(reference, limit=NOTICES_SHOWN)
    return {"items": [_noticed(platform, notice) for notice in found]}


@post("/notices/{notice_id:str}/deliver", status_code=200)
async def deliver_notice(state: State, notice_id: FromPath[str]) -> dict[str, Any]:
    """One delivery at once, whatever has become of the notification before."""
    platform: Platform = state.platform
    if platform.courier.find(notice_id) is None:
        raise PhoneRefusal(404, "NO_SUCH_NOTICE", "没有这条通知")
    if await platform.courier.deliver_now(notice_id) is None:
        raise PhoneRefusal(409, "UNDER_WAY", "这条通知正在投递")
    notice = platform.courier.find(notice_id)
    assert notice is not None
    return _noticed(platform, notice)


@post("/notices/hurry", status_code=200)
async def hurry_notices(state: State) -> dict[str, int]:
    return {"due": await state.platform.courier.hurry()}


@post("/notices/release", status_code=200)
async def release_notices(state: State) -> dict[str, int]:
    return {"due": await state.platform.courier.release()}


@get("/faults")
async def list_faults(state: State) -> dict[str, Any]:
    board: FaultBoard = state.platform.faults
    return {"known": list(board.known.values()), "armed": board.armed}


@post("/faults")
async def arm_fault(state: State, data: JSONBody[NewFault]) -> dict[str, Any]:
    board: FaultBoard = state.platform.faults
    if data.name not in board.known:
        raise PhoneRefusal(404, "NO_SUCH_FAULT", "没有这种故障，GET /faults 列出全部")
    return msgspec.to_builtins(
        board.arm(
            data.name,
            endpoint=data.endpoint,
            reference=data.reference,
            times=data.times,
            seconds=data.seconds,
        )
    )


@delete("/faults", status_code=200)
async def disarm_all(state: State) -> dict[str, int]:
    return {"disarmed": state.platform.faults.disarm()}


@delete("/faults/{fault_id:int}", status_code=200)
async def disarm_fault(state: State, fault_id: FromPath[int]) -> dict[str, int]:
    return {"disarmed": state.platform.faults.disarm(fault_id)}


WALLETS: tuple[HTTPRouteHandler, ...] = (
    open_payer,
    list_payers,
    show_payer,
    issue_login_code,
    show_book,
)
COMMON: tuple[HTTPRouteHandler, ...] = (
    healthz,
    show_entries,
    list_notices,
    deliver_notice,
    hurry_notices,
    release_notices,
    list_faults,
    arm_fault,
    disarm_all,
    disarm_fault,
)


def _shown(platform: Bank, payer: Payer) -> dict[str, Any]:
    return {"id": payer.id, **platform.payer_names(payer), "balance_fen": payer.balance_fen}


def _noticed(platform: Platform, notice: Notice) -> dict[str, Any]:
    return {
        "id": notice.id,
        "kind": notice.kind,
        "reference": notice.reference,
        "url": notice.url,
        "state": notice.state,
        "attempts": notice.attempts,
        "created_at": notice.created_at,
        "next_at": notice.next_at,
        "deliveries": platform.courier.deliveries(notice.id),
    }

"""The short message service's part of the control API: what its console does, and what phones show."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Litestar, get, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from simulators import book, control
from simulators.notices import is_deliverable
from simulators.people import PhoneRefusal
from simulators.sms.platform import Sms
from simulators.sms.refusals import Declined
from simulators.sms.reports import NUMBER_STATES, Message
from simulators.sms.sending import bare, credit_fen, open_account

SHOWN = 100


class NewTemplate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: Annotated[str, Meta(pattern=r"^SMS_\d{1,12}\Z")]
    content: Annotated[str, Meta(min_length=1, max_length=500)]
    kind: Literal["code", "notice"] = "notice"
    status: Literal["approved", "reviewing", "rejected"] = "approved"


class NewSign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=2, max_length=12)]
    approved: bool = True


class NumberState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    state: Literal["on", "off", "vacant", "blocked"]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    report_url: str


def app(platform: Sms) -> Litestar:
    handlers = (phones, messages, set_phone, templates, set_template, signs, set_sign, settings, set_settings)
    return control.app_without_wallets(platform, *handlers, show_book)


@get("/phones")
async def phones(state: State) -> dict[str, Any]:
    """Every number somebody wrote to, the latest first."""
    rows = state.platform.store.rows(
        """select message.number, count(*) as messages, max(seq) as latest, coalesce(state, 'on') as state
           from message left join phone on phone.number = message.number
           group by message.number order by latest desc limit :limit""",
        limit=SHOWN,
    )
    return {"items": [{name: row[name] for name in ("number", "messages", "state")} for row in rows]}


@get("/phones/{number:str}/messages")
async def messages(state: State, number: FromPath[str]) -> dict[str, Any]:
    """What the phone shows, and what was sent and never arrived, newest first."""
    rows = state.platform.store.rows(
        "select * from message where number = :number order by seq desc limit :limit",
        number=_bare(number),
        limit=SHOWN,
    )
    return {"items": [_shown(Message(**dict(row))) for row in rows]}


@post("/phones/{number:str}", status_code=200)
async def set_phone(state: State, number: FromPath[str], data: JSONBody[NumberState]) -> dict[str, str]:
    """Switch a phone off or on, or make its number vacant or blocked."""
    found = _bare(number)
    state.platform.store.run(
        """insert into phone (number, state) values (:number, :state)
           on conflict (number) do update set state = :state""",
        number=found,
        state=data.state,
    )
    return {"number": found, "state": data.state, "err_code": NUMBER_STATES[data.state][0]}


@get("/templates")
async def templates(state: State) -> dict[str, Any]:
    return {"items": [dict(row) for row in state.platform.store.rows("select * from template order by code")]}


@post("/templates", status_code=200)
async def set_template(state: State, data: JSONBody[NewTemplate]) -> dict[str, Any]:
    """Hand in a template, or decide about one: only approved ones may be used."""
    told = msgspec.to_builtins(data)
    state.platform.store.run(
        """insert into template (code, content, kind, status) values (:code, :content, :kind, :status)
           on conflict (code) do update set content = :content, kind = :kind, status = :status""",
        **told,
    )
    return told


@get("/signs")
async def signs(state: State) -> dict[str, Any]:
    rows = state.platform.store.rows("select * from sign_name order by name")
    return {"items": [{"name": row["name"], "approved": bool(row["approved"])} for row in rows]}


@post("/signs", status_code=200)
async def set_sign(state: State, data: JSONBody[NewSign]) -> dict[str, Any]:
    state.platform.store.run(
        """insert into sign_name (name, approved) values (:name, :approved)
           on conflict (name) do update set approved = :approved""",
        name=data.name,
        approved=int(data.approved),
    )
    return {"name": data.name, "approved": data.approved}


@get("/settings")
async def settings(state: State) -> dict[str, str]:
    return {"report_url": state.platform.report_url}


@post("/settings", status_code=200)
async def set_settings(state: State, data: JSONBody[Settings]) -> dict[str, str]:
    """Where delivery reports go; empty for nowhere."""
    if data.report_url and not is_deliverable(data.report_url):
        raise PhoneRefusal(400, "URL_INVALID", "report_url 须为不带参数的公网 https 地址，或本机地址")
    state.platform.store.run(
        """insert into setting (name, value) values ('report_url', :url)
           on conflict (name) do update set value = :url""",
        url=data.report_url,
    )
    return {"report_url": data.report_url}


@get("/book")
async def show_book(state: State) -> dict[str, Any]:
    """What is left of the money paid in advance; each part of a message costs some."""
    platform: Sms = state.platform
    open_account(platform, await platform.now())
    return {
        "balanced": book.is_balanced(platform.store),
        "accounts": book.balances(platform.store),
        "credit_fen": credit_fen(platform),
    }


def _bare(number: str) -> str:
    try:
        return bare(number)
    except Declined as error:
        raise PhoneRefusal(400, "NUMBER_INVALID", "须为 11 位手机号") from error


def _shown(message: Message) -> dict[str, Any]:
    return {
        "content": message.content,
        "template_code": message.template_code,
        "biz_id": message.biz_id,
        "out_id": message.out_id,
        "sent_at": message.sent_at,
        "received_at": message.received_at if message.delivered else None,
        "arrived": bool(message.delivered),
        "report": message.err_code,
    }

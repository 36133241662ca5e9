"""The control API's part about the mini-program: phone numbers, consents, templates, pages."""

from typing import Annotated, Any

import msgspec
from litestar import delete, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from simulators import people
from simulators.control import payer_called
from simulators.people import Errand, PhoneRefusal
from simulators.wechat_pay import mini_program, subscribing
from simulators.wechat_pay.mini_program import PhoneNumber
from simulators.wechat_pay.platform import WechatPay


class NewNumber(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    number: Annotated[str, Meta(pattern=r"^[0-9]{4,15}\Z")]
    country_code: Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,2}\Z")] = "86"


class Consent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    template_id: Annotated[str, Meta(min_length=1)]
    count: Annotated[int, Meta(ge=1, le=1000)] = 1


class Template(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    template_id: Annotated[str, Meta(min_length=1)]
    fields: Annotated[list[str], Meta(min_length=1, max_length=5)]


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_\-]+(/[A-Za-z0-9_\-]+)*\Z")]


@post("/payers/{payer:str}/phone-number", status_code=200)
async def give_number(state: State, payer: FromPath[str], data: JSONBody[NewNumber]) -> dict[str, str]:
    who = payer_called(state.platform, payer)
    mini_program.give_number(state.platform, who, PhoneNumber(data.country_code, data.number))
    return {"country_code": data.country_code, "number": data.number}


@post("/payers/{payer:str}/phone-codes")
async def issue_phone_code(state: State, payer: FromPath[str]) -> dict[str, Any]:
    """The payer taps the phone-number button and agrees."""
    platform: WechatPay = state.platform
    who = payer_called(platform, payer)
    code = people.issue_code(platform.store, who, Errand.PHONE_NUMBER)
    kept = mini_program.number_of(platform, who)
    return {
        "code": code,
        "expires_in": int(people.CODE_LIFE.total_seconds()),
        "country_code": kept.country_code,
        "number": kept.number,
    }


@post("/payers/{payer:str}/grants")
async def consent(state: State, payer: FromPath[str], data: JSONBody[Consent]) -> dict[str, Any]:
    """The payer allows this many more messages of one template."""
    who = payer_called(state.platform, payer)
    remaining = subscribing.consent(
        state.platform, openid=who.id, template_id=data.template_id, count=data.count
    )
    return {"template_id": data.template_id, "remaining": remaining}


@get("/payers/{payer:str}/messages")
async def messages(state: State, payer: FromPath[str]) -> dict[str, Any]:
    """The subscription messages on the payer's phone, the last hundred."""
    who = payer_called(state.platform, payer)
    rows = state.platform.store.rows(
        "select * from message where openid = :openid order by seq desc limit 100", openid=who.id
    )
    return {
        "items": [
            {
                "template_id": row["template_id"],
                "page": row["page"],
                "data": msgspec.json.decode(row["data"]),
                "sent_at": row["sent_at"],
            }
            for row in rows
        ]
    }


@post("/mini-program/templates")
async def register_template(state: State, data: JSONBody[Template]) -> Template:
    """From the first one on, only registered templates may be sent, with all their fields."""
    strange = [name for name in data.fields if not subscribing.is_field(name)]
    if strange:
        raise PhoneRefusal(400, "NO_SUCH_FIELD", f"模板字段名应为类别加数字，如 thing1：{'、'.join(strange)}")
    state.platform.store.run(
        """insert into template (template_id, fields) values (:id, :fields)
           on conflict (template_id) do update set fields = :fields""",
        id=data.template_id,
        fields=msgspec.json.encode(data.fields).decode(),
    )
    return data


@delete("/mini-program/templates", status_code=200)
async def forget_templates(state: State) -> dict[str, int]:
    return {"forgotten": state.platform.store.run("delete from template")}


@post("/mini-program/pages")
async def register_page(state: State, data: JSONBody[Page]) -> Page:
    """From the first one on, messages may only lead to registered pages."""
    state.platform.store.run("insert into page (path) values (:path) on conflict do nothing", path=data.path)
    return data


@delete("/mini-program/pages", status_code=200)
async def forget_pages(state: State) -> dict[str, int]:
    return {"forgotten": state.platform.store.run("delete from page")}


CONTROL: tuple[HTTPRouteHandler, ...] = (
    give_number,
    issue_phone_code,
    consent,
    messages,
    register_template,
    forget_templates,
    register_page,
    forget_pages,
)

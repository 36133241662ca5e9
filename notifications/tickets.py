"""Tickets for the websocket: 30 seconds, one use, bound to the login that asked; never in a URL."""

from datetime import datetime, timedelta

import msgspec
from litestar import Router, post
from litestar.di import NamedDependency

from app.identity.sessions import is_live
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.crypto import open_token, sign_token
from app.kernel.database import action, fetch_value
from app.kernel.errors import Unauthenticated
from app.kernel.ids import new_id

TICKET_SECONDS = 30
PURPOSE = "rt-ticket"


class TicketPayload(msgspec.Struct, frozen=True):
    nonce: str
    actor: Actor
    token_exp: datetime
    expires_at: datetime


class Listener(msgspec.Struct, frozen=True):
    """Who listens, and until when its login lets it."""

    actor: Actor
    token_exp: datetime


class Ticket(msgspec.Struct, frozen=True):
    ticket: str
    expires_in: int


def issue_ticket(actor: Actor, *, token_exp: datetime) -> Ticket:
    payload = TicketPayload(
        nonce=str(new_id()),
        actor=actor,
        token_exp=token_exp,
        expires_at=clock.wall() + timedelta(seconds=TICKET_SECONDS),
    )
    return Ticket(sign_token(msgspec.json.encode(payload), purpose=PURPOSE), TICKET_SECONDS)


@action
async def use_ticket(actor: Actor, *, ticket: str) -> Listener | None:
    """The listener behind a ticket, once: its nonce is a row, so no second server accepts it either."""
    raw = open_token(ticket, purpose=PURPOSE)
    if raw is None:
        return None
    payload = msgspec.json.decode(raw, type=TicketPayload)
    if clock.wall() >= payload.expires_at:
        return None
    fresh = await fetch_value(
        "INSERT INTO rt_ticket (nonce) VALUES ($1::text::uuid) ON CONFLICT DO NOTHING RETURNING nonce",
        payload.nonce,
    )
    return None if fresh is None else Listener(payload.actor, payload.token_exp)


async def still_welcome(actor: Actor, *, listener: Listener) -> bool:
    """Whether the login behind a connection is still good; asked at every heartbeat."""
    return await is_live(actor, session_id=listener.actor.session_id)


@post("/rt/tickets", permission="realtime.listen", status_code=201)
async def make_ticket(actor: NamedDependency[Actor], token_exp: NamedDependency[datetime]) -> Ticket:
    if actor.session_id is None:
        raise Unauthenticated
    return issue_ticket(actor, token_exp=token_exp)


router = Router(path="/", route_handlers=[make_ticket])

"""Tickets that somebody made up, cut or changed open nothing, and break nothing."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.identity.sessions import Login, open_session
from app.kernel import clock
from app.kernel.actor import ANONYMOUS, Actor, ActorKind, system
from notifications.tickets import issue_ticket, use_ticket
from tests.make import identity

FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def a_ticket() -> str:
    account_id = await identity.account()
    login = Login(kind=ActorKind.ACCOUNT, id=account_id, channel="mini_program", role="", auth_version=1)
    session_id, _ = await open_session(system("test"), login=login)
    actor = Actor(kind=ActorKind.ACCOUNT, id=account_id, session_id=session_id)
    return issue_ticket(actor, token_exp=clock.wall()).ticket


@FUZZ
@given(text=st.text(max_size=200))
async def test_a_made_up_text_is_no_ticket(db: str, text: str) -> None:
    assert await use_ticket(ANONYMOUS, ticket=text) is None


@FUZZ
@given(at=st.integers(0, 2**16), letter=st.sampled_from("Aa0_-.=é"))
async def test_a_ticket_with_one_letter_changed_is_none(db: str, at: int, letter: str) -> None:
    good = await a_ticket()
    at %= len(good)
    changed = good[:at] + letter + good[at + 1 :]
    assert (await use_ticket(ANONYMOUS, ticket=changed) is not None) == (changed == good)


async def test_the_control_a_ticket_as_it_was_made_opens_once(db: str) -> None:
    good = await a_ticket()
    assert await use_ticket(ANONYMOUS, ticket=good) is not None
    assert await use_ticket(ANONYMOUS, ticket=good) is None

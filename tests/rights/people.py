"""A person with an own account on a Monday morning, and a daughter who was invited."""

from datetime import date, time, timedelta
from uuid import UUID

from app.kernel.actor import Actor
from app.outpatient.rules import at
from app.patients.binding import Relation
from app.patients.consents import ConsentCode
from app.patients.proxies import accept_invitation, invitation_view, invite
from app.patients.tables import Scope
from tests.make import identity, patients
from tests.make.visit import now, set_clock

MONDAY = date(2031, 3, 3)


async def person(**values: str) -> tuple[Actor, UUID]:
    await set_clock(at(MONDAY, time(10)))
    account = await identity.account_actor()
    return account, await patients.bound_person(account, **values)


async def relative(owner: Actor, person_id: UUID, *scopes: Scope) -> Actor:
    """The daughter reads and books unless said otherwise."""
    await patients.agree(owner, person_id, also=(ConsentCode.FAMILY_SHARING,))
    sent = await invite(
        owner,
        person_id=person_id,
        scopes=list(scopes or (Scope.READ, Scope.BOOK)),
        ends_at=await now() + timedelta(days=30),
    )
    code = (await invitation_view(owner, invitation_id=sent)).code
    account = await identity.account_actor()
    await accept_invitation(account, code=code or "", relation=Relation.PARENT)
    return account

"""A process of its own that registers people, logs them in and looks for them while keys rotate.

Prints one JSON object: how many it registered, and whom it could not find again.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from app.identity.channel_login import ensure_account
from app.identity.roles import Platform
from app.kernel import clock
from app.kernel.actor import Actor, ActorKind, system
from app.kernel.database import close_pool, open_pool
from app.patients.binding import AlreadyBound, Relation, bind_person
from app.patients.queries import find_by_id_number
from app.patients.registering import PersonForm, register_person
from app.patients.rules import read_id_number
from app.patients.tables import Sex

ACTOR = system("registering")
BIND_EVERY = 5
PAUSE_SECONDS = 0.08  # so that people come all the while


async def main(numbers: list[str], stop: str) -> dict[str, object]:
    """Each number once, everybody found again and again; then only looking, until the file is there."""
    await open_pool(size=2)
    known: list[tuple[str, str]] = []
    lost: list[str] = []
    at = looked = 0
    while not os.path.exists(stop) or at < len(numbers):  # noqa: ASYNC240, PTH110 - a moment
        if at < len(numbers):
            known.append((numbers[at], str(await come(numbers[at], at))))
            at += 1
        for number, person_id in known[-1:] + known[looked % len(known) :][:3]:
            looked += 1
            found = await find_by_id_number(ACTOR, id_number=number)
            if str(found) != person_id:
                lost.append(f"{number[-4:]}: {found} instead of {person_id}")
        await asyncio.sleep(PAUSE_SECONDS)
    await close_pool()
    return {"registered": at, "looked": looked, "lost": lost}


async def come(number: str, at: int) -> object:
    """At a window, or on a phone of their own."""
    read = read_id_number(number, today=clock.wall().date())
    assert read is not None
    form = PersonForm(
        name="李小明", sex=Sex(read.sex), born_on=read.born_on, id_number=number, phone="13812345678"
    )
    if at % BIND_EVERY:
        return await register_person(ACTOR, form=form)
    account_id = await ensure_account(ACTOR, platform=Platform.WECHAT, subject=f"openid-{number}")
    again = await ensure_account(ACTOR, platform=Platform.WECHAT, subject=f"openid-{number}")
    assert again == account_id
    account = Actor(kind=ActorKind.ACCOUNT, id=account_id, channel="mini_program")
    try:
        return await bind_person(account, form=form, relation=Relation.SELF)
    except AlreadyBound:  # by the other process, a moment ago
        return await register_person(ACTOR, form=form)


if __name__ == "__main__":
    told = json.loads(Path(sys.argv[1]).read_text())
    sys.stdout.write(json.dumps(asyncio.run(main(told, sys.argv[2]))))
